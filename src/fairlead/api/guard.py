"""Which requests over TCP are turned away unheard: those that a web page made a browser send.

A page of a foreign site can make a browser send requests to this API, and by DNS rebinding can do
so under a name of its own.  A browser names the page in `Origin` and the name in `Host`.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_foreign(host: str, origin: str, own_names: Collection[str], authenticated: bool) -> bool:
    """Whether a request is to be refused.

    `own_names` are this machine's.  On an `authenticated` connection (mutual TLS) any `Host` is
    fine: the client has checked it against our certificate.
    """
    name = _name(f"//{host}")
    if origin and (origin == "null" or _name(origin) != name):
        return True
    return not authenticated and not _is_address(name) and name not in {"localhost", *own_names}


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
