"""What the network bridge is like by the settings: its subnets, its routers, its options."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Interface

from fairlead.engine.bridges import DOCKERS_OWN, Bridges
from fairlead.engine.context import Context
from fairlead.engine.subnets import Subnets
from fairlead.ipam.leases import lowest_free
from fairlead.ipam.pools import overlaps
from fairlead.model.addresses import Subnet
from fairlead.model.errors import InvalidParameter
from fairlead.model.network import (
    BRIDGE_NAME,
    DEFAULT_BRIDGE,
    DEFAULT_GATEWAYS,
    ENABLE_ICC,
    ENABLE_MASQUERADE,
    HOST_BINDING,
    MTU,
    Adoption,
    Network,
    Pool,
)

log = logging.getLogger(__name__)


class Docker0:
    """The default bridge as the daemon's settings want it, on docker0 or on --bridge's."""

    def __init__(self, context: Context, bridges: Bridges, subnets: Subnets):
        self._context = context
        self._bridges = bridges
        self._subnets = subnets

    def options(self) -> Mapping[str, str]:
        """The options of the predefined network bridge, as Docker shows them."""

        def word(value: bool) -> str:
            return "true" if value else "false"

        settings = self._context.settings
        return {
            DEFAULT_BRIDGE: "true",
            ENABLE_ICC: word(settings.icc),
            ENABLE_MASQUERADE: word(settings.ip_masq and settings.iptables),
            HOST_BINDING: str(settings.ip),
            BRIDGE_NAME: settings.bridge,
            MTU: str(settings.mtu or self._context.surroundings.uplink_mtu),
        }

    async def found(self, same: Network | None) -> tuple[Adoption | None, tuple[Pool, ...]]:
        """The bridge it adopts, and its subnets.  InvalidParameter where they and the settings do not agree.

        `same` is the network as it was, if it was on the same bridge.
        """
        adoption = same.adoption if same is not None else await self._adopted()
        pools = (await self._ipv4(same, adoption), *await self._ipv6(same))
        return adoption, tuple(self._with_router(pool) for pool in pools)

    async def _adopted(self) -> Adoption | None:
        """The bridge that --bridge names, which must be there; None for docker0, which the engine makes."""
        name = self._context.settings.bridge
        if name == DOCKERS_OWN:
            return None
        adoption = await self._bridges.found(name)
        if adoption is None:
            raise InvalidParameter(f"bridge device with non default name {name} must be created manually")
        return adoption

    async def _ipv4(self, same: Network | None, adoption: Adoption | None) -> Pool:
        """The subnet: --bip's, else its bridge's own, else the one it had, else the first free."""
        settings = self._context.settings
        kept = same is not None and self._fits(same)
        own = settings.bip
        if own is None and adoption is not None:
            own = next((each for each in adoption.addresses if isinstance(each, IPv4Interface)), None)
        before = same.pools[0] if same is not None and kept else None
        subnet: Subnet = own.network if own else before.subnet if before else await self._subnets.free(4)
        pool = Pool(subnet, ip_range=settings.fixed_cidr)
        if settings.fixed_cidr is not None and pool.span != settings.fixed_cidr:
            log.warning("docker0 ignores fixed-cidr %s: it is not part of %s", settings.fixed_cidr, subnet)
        # Docker's inspect shows the gateway only where somebody chose it, or after a restart.
        return replace(
            pool,
            gateway=own.ip if own else before.gateway if before else lowest_free(pool, ()),
            gateway_requested=kept or own is not None,
        )

    async def _ipv6(self, before: Network | None) -> tuple[Pool, ...]:
        """The IPv6 subnet (none without --ipv6): --fixed-cidr-v6's, else the one it had, else a free one."""
        settings = self._context.settings
        if not settings.ipv6:
            return ()
        pools = before.pools if before is not None else ()
        had = next((pool.subnet for pool in pools if pool.subnet.version == 6), None)
        subnet = settings.fixed_cidr_v6 or had or await self._subnets.free(6)
        return (Pool(subnet, gateway=subnet.network_address + 1, gateway_requested=subnet == had),)

    def _with_router(self, pool: Pool) -> Pool:
        """The pool with the router that --default-gateway(-v6) names, which no container gets."""
        settings = self._context.settings
        version = pool.subnet.version
        router = settings.default_gateway if version == 4 else settings.default_gateway_v6
        if router is None:
            return pool
        name = DEFAULT_GATEWAYS[version]
        if router not in pool.subnet:
            raise InvalidParameter(
                f"auxiliary address: ({name}:{router}) must belong to the master pool: {pool.subnet}"
            )
        return replace(pool, auxiliary={name: router})

    def _fits(self, before: Network) -> bool:
        """Whether docker0 keeps its subnet: it is in use, or where the settings want subnets to be."""
        blocks = self._context.settings.default_address_pools
        bases = [block.base for block in blocks if block.base.version == 4]
        subnet = before.pools[0].subnet
        return (
            bool(self._context.records.endpoints_on(before.id))
            or not bases
            or any(overlaps(subnet, base) for base in bases)
        )
