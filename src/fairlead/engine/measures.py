"""How much there is of everything, computed from the records when somebody asks."""

from collections import Counter
from collections.abc import Iterator

from fairlead.engine.context import Context
from fairlead.ipam.leases import reserved
from fairlead.ipam.pools import overlaps, pools_in_force
from fairlead.model.metrics import MetricFamily, Sample
from fairlead.model.network import Network, Pool

_STATES = ("running", "paused", "stopped")


def families(context: Context) -> Iterator[MetricFamily]:
    """Containers, networks, endpoints, published ports, volumes, and what is left of the pools."""
    records = context.records
    networks = sorted(records.networks.values(), key=lambda each: each.sequence)
    yield _containers(context)
    drivers = Counter(each.driver for each in networks)
    yield _gauge(
        "fairlead_networks",
        "Networks by driver",
        [Sample(n, {"driver": d}) for d, n in sorted(drivers.items())],
    )
    yield _gauge(
        "fairlead_endpoints",
        "Places of running containers on a network, on this host",
        [Sample(len(records.endpoints_on(each.id)), {"network": each.name}) for each in networks],
    )
    ports = {
        (port.protocol, port.host_port + offset)
        for each in records.endpoints.values()
        for port in each.ports
        if not port.routed
        for offset in range(port.count)
    }
    yield _gauge(
        "fairlead_published_ports", "Ports of the host that lead into containers", [Sample(len(ports))]
    )
    yield _gauge("fairlead_volumes", "Volumes", [Sample(len(records.volumes))])
    pools = [(network, pool) for network in networks for pool in network.pools]
    yield _gauge(
        "fairlead_pool_addresses",
        "Addresses that containers can have, by network and subnet",
        [Sample(_room(pool), _of(network, pool)) for network, pool in pools],
    )
    yield _gauge(
        "fairlead_pool_addresses_held",
        "Addresses of these that containers have, on whichever host",
        [Sample(_held(context, network, pool), _of(network, pool)) for network, pool in pools],
    )
    yield from _subnets(context)


def _gauge(name: str, meaning: str, samples: list[Sample]) -> MetricFamily:
    return MetricFamily(name, "gauge", meaning, samples)


def _containers(context: Context) -> MetricFamily:
    """Under the name that Docker has for it."""
    states = Counter(each.state.status for each in context.records.containers.values())
    counts = {"running": states["running"], "paused": states["paused"]}
    counts["stopped"] = states.total() - sum(counts.values())
    return _gauge(
        "engine_daemon_container_states_containers",
        "The count of containers in various states",
        [Sample(counts[state], {"state": state}) for state in _STATES],
    )


def _of(network: Network, pool: Pool) -> dict[str, str]:
    return {"network": network.name, "subnet": str(pool.subnet)}


def _room(pool: Pool) -> int:
    span = pool.ip_range or pool.subnet
    return span.num_addresses - sum(each in span for each in reserved(pool))


def _held(context: Context, network: Network, pool: Pool) -> int:
    here = [each.addresses for each in context.records.endpoints_on(network.id)]
    elsewhere = [(each.ipv4, each.ipv6) for each in context.records.remotes_on(network.id)]
    return sum(
        address is not None and address in pool.subnet for pair in (*here, *elsewhere) for address in pair
    )


def _subnets(context: Context) -> Iterator[MetricFamily]:
    """What is left for networks that name no subnet."""
    host = context.records.hosts.get("host")
    in_force = pools_in_force(context.settings.default_address_pools, host.engine_id if host else "")
    used = [pool.subnet for network in context.records.networks.values() for pool in network.pools]
    all_, taken = [], []
    for pool in in_force:
        labels = {"base": str(pool.base), "size": str(pool.size)}
        all_.append(Sample(1 << (pool.size - pool.base.prefixlen), labels))
        taken.append(Sample(sum(overlaps(each, pool.base) for each in used), labels))
    yield _gauge("fairlead_subnets", "Subnets that an address pool of the daemon has", all_)
    yield _gauge("fairlead_subnets_used", "Subnets of networks that lie in such a pool", taken)
