"""The daemon imports no more of pyroute2 than it needs, and takes it from nobody who imports it whole."""

import subprocess
import sys

PROGRAM = """
import sys
import fairlead.daemon.wiring
assert "pyroute2.netlink.rtnl.ifinfmsg" in sys.modules
print("pyroute2.ndb" in sys.modules, "pyroute2" in sys.modules)
from pyroute2 import IPRoute
print(IPRoute.__name__)
"""


def test_only_its_messages_are_imported_and_the_rest_is_there_for_others() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "IPRoute"]
