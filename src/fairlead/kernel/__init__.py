"""The adapters that touch the kernel: links, addresses, routes, sysctls, rules.

Of pyroute2 they use the messages.  All the rest, which its package would import (a data base, a
dozen other protocols), would be a sixth of the time that the daemon takes to start.
"""

import sys
from importlib.util import find_spec, module_from_spec


def _without_the_rest(name: str) -> None:
    """Have a package's modules imported without the package's own text."""
    if name not in sys.modules and (spec := find_spec(name)) is not None:
        sys.modules[name] = module_from_spec(spec)


_without_the_rest("pyroute2")
