"""Bridges that were there before: looked at, taken into use as they are, and given back."""

from collections.abc import Sequence
from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.model.addresses import Interface
from fairlead.model.commands import CreateNetwork
from fairlead.model.errors import Failed, InvalidParameter
from fairlead.model.host import Bridge, LinkKey, LinkSetting, LinkSettingKey, SysctlKey
from fairlead.model.network import Adoption, Network, Pool

DOCKERS_OWN = "docker0"  # the one bridge that -b may name without its being there


class Bridges:
    """Tells bridges of others from our own, by looking before anything is made."""

    def __init__(self, context: Context):
        self._context = context

    async def found(self, name: str) -> Adoption | None:
        """The bridge of that name as it is; None if there is no such link.  Refused if it is no bridge."""
        link, up = LinkKey("", name), LinkSettingKey("", name, LinkSetting.UP)
        localnet = SysctlKey("", ("net", "ipv4", "conf", name, "route_localnet"))
        there = await self._context.reconciler.observe([link, up, localnet])
        if there[link] is None:
            return None
        if not isinstance(there[link], Bridge):
            raise InvalidParameter(f"existing interface {name} is not a bridge")
        return Adoption(
            addresses=tuple(await self._context.machine.link_addresses(name)),
            up=there[up] == "on",
            route_localnet=str(there[localnet] or "0"),
        )

    async def is_there(self, network: Network) -> bool:
        """Whether a network's bridge is, and is one."""
        link = LinkKey("", network.bridge_name)
        return isinstance((await self._context.reconciler.observe([link]))[link], Bridge)

    async def require(self, network: Network) -> None:
        """Failed where an adopted bridge has gone: it is not ours to make."""
        if network.adoption is not None and not await self.is_there(network):
            raise Failed(
                f"cannot use bridge {network.bridge_name} for network {network.name}: it is gone, and was "
                "not made by this engine"
            )


def with_bridge_addresses(request: CreateNetwork, adoption: Adoption) -> CreateNetwork:
    """The request with the bridge's own addresses as gateways, where it names no other."""
    pools = [_with_gateway(pool, adoption.addresses) for pool in request.pools]
    for version, wanted in ((4, request.enable_ipv4), (6, request.enable_ipv6)):
        own = [each for each in adoption.addresses if each.version == version]
        if wanted and own and not any(pool.subnet.version == version for pool in pools):
            pools.append(Pool(own[0].network, gateway=own[0].ip))
    return replace(request, pools=tuple(pools))


def _with_gateway(pool: Pool, addresses: Sequence[Interface]) -> Pool:
    own = next((each.ip for each in addresses if each.network == pool.subnet), None)
    return pool if pool.gateway or own is None else replace(pool, gateway=own)
