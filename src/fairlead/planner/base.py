"""What the host needs before any network: forwarding, the chains of Docker, their jumps."""

from collections.abc import Collection

from fairlead.firewall import policy
from fairlead.model.config import Settings
from fairlead.model.host import ChainKey, Family, Key, PolicyKey, State, SysctlKey, Value
from fairlead.planner.steps import absent

IPV6_FORWARDING = SysctlKey("", ("net", "ipv6", "conf", "all", "forwarding"))


def base_state(settings: Settings, forwards_already: bool) -> dict[Key, Value | None]:
    """Forwarding and the first chains and rules.

    FORWARD drops by default only where the engine itself has to switch forwarding on: a host
    that was a router before goes on routing, and a policy that a user sets later stays (Docker's rule).
    """
    state: dict[Key, Value | None] = {}
    if settings.ip_forward:
        state[SysctlKey("", ("net", "ipv4", "ip_forward"))] = "1"
    if settings.iptables:
        state.update(_jumps(Family.IPV4, settings.userland_proxy))
        if settings.ip_forward and not forwards_already:
            state[forward_policy(Family.IPV4)] = "DROP"
    return state


def ipv6_base_state(settings: Settings, forwards_already: bool) -> dict[Key, Value | None]:
    """The same for IPv6: what the first network that has it needs, and no host without such a network."""
    state: dict[Key, Value | None] = {}
    if settings.ip_forward:
        state[SysctlKey("", ("net", "ipv6", "conf", "default", "forwarding"))] = "1"
        state[IPV6_FORWARDING] = "1"
    if settings.ip6tables:
        state.update(_jumps(Family.IPV6, settings.userland_proxy))
        if settings.ip_forward and not forwards_already:
            state[forward_policy(Family.IPV6)] = "DROP"
    return state


def forward_policy(family: Family) -> PolicyKey:
    """The policy that decides about what no rule has decided about."""
    return PolicyKey(family, "filter", "FORWARD")


def forward_chains(family: Family) -> tuple[ChainKey, ...]:
    """The chains that are there as long as nobody resets the whole table."""
    return ChainKey(family, "filter", "FORWARD"), ChainKey(family, "filter", "DOCKER-USER")


def lost_policies(dropping: Collection[Family], there: State) -> State:
    """Of the families whose FORWARD dropped, the policies that went with a whole table.

    `there` is what is found of `forward_chains`.  A policy that was changed by itself is what its
    owner wants.
    """
    return {
        forward_policy(family): "DROP"
        for family in dropping
        if not all(there.get(key) for key in forward_chains(family))
    }


def _jumps(family: Family, userland_proxy: bool) -> dict[Key, Value | None]:
    """The chains and jumps, without what the other setting of --userland-proxy has in their place."""
    return {**absent(policy.base(family, not userland_proxy)), **policy.base(family, userland_proxy)}
