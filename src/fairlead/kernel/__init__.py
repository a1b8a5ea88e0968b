"""The adapters that touch the kernel: links, addresses, routes, sysctls, rules.

Of pyroute2 they use the messages.  All the rest, which its package would import (a data base, a
dozen other protocols), would be a sixth of the time that the daemon takes to start.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec

USERS_OF_PYROUTE2 = ("netlink", "messages", "routing", "neighbours", "fingerprint")


def _import_without_the_rest(package: str, users: tuple[str, ...]) -> None:
    """Import modules of ours that use modules of a package, without the package's own text.

    Whoever imports the package itself later gets it whole.
    """
    if package in sys.modules or (spec := find_spec(package)) is None:
        return
    sys.modules[package] = module_from_spec(spec)
    try:
        for user in users:
            import_module(f"{__name__}.{user}")
    finally:
        del sys.modules[package]


_import_without_the_rest("pyroute2", USERS_OF_PYROUTE2)
