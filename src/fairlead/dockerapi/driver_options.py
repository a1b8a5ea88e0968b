"""The driver options of one endpoint: what its interface is called and how the kernel treats it."""

import re
from collections.abc import Mapping

from fairlead.model.endpoint import INTERFACE_NAME, INTERFACE_SYSCTLS
from fairlead.model.errors import InvalidParameter

_LINK_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")  # a link name has at most 15 characters
_SETTING = re.compile(r"net\.(ipv4|ipv6)\.(conf|neigh)\.IFNAME\.[a-z0-9_]+", re.IGNORECASE)


def is_link_name(text: str) -> bool:
    """Whether a link can have this name, and stand with it in a firewall rule."""
    return bool(_LINK_NAME.fullmatch(text)) and text not in (".", "..", "all", "default", "lo")


def check_driver_options(options: Mapping[str, str]) -> None:
    """InvalidParameter for a name or a setting that no interface can have."""
    name = options.get(INTERFACE_NAME, "")
    if name and not is_link_name(name):
        raise InvalidParameter(
            f'cannot name an interface "{name}": a link name has 1 to 15 plain characters ({INTERFACE_NAME})'
        )
    for each in filter(None, map(str.strip, options.get(INTERFACE_SYSCTLS, "").split(","))):
        setting, separator, value = each.partition("=")
        if not separator or not value.strip() or not _SETTING.fullmatch(setting.strip()):
            raise InvalidParameter(
                f"cannot set '{each}' ({INTERFACE_SYSCTLS}): settings of one interface are written as "
                "net.X.Y.IFNAME.Z=VALUE, where X is ipv4 or ipv6 and Y is conf or neigh"
            )
