"""What a query is answered: from the zone, by nothing at all, or by somebody outside (None).

A known name is never asked for outside, whatever kind of record is wanted; nothing of an internal
network is.
"""

from fairlead.dns import wire
from fairlead.dns.wire import Query
from fairlead.dns.zone import View, Zone, reversed_address

# Seconds that an answer may be kept.  Docker says 600 and containers then miss each other after
# every restart.
TTL = 1


def answer(query: Query, zone: Zone, view: View, turn: int, limit: int) -> bytes | None:
    """The answer in at most `limit` bytes, or None: ask outside.

    `turn` is any number that differs from query to query: the addresses of a shared name take turns
    by it.
    """
    if query.edns > 0:
        return wire.empty(query, wire.BADVERS)
    if query.category in (wire.INTERNET, wire.ANY):
        found = _local(query, zone, view, turn, limit)
        if found is not None:
            return found
    if not view.upstreams:
        # Not SERVFAIL: a client with search domains goes on to the next name only after this.
        return wire.empty(query, wire.NXDOMAIN if view.internal else wire.SERVFAIL)
    return None


def _local(query: Query, zone: Zone, view: View, turn: int, limit: int) -> bytes | None:
    kind, name = query.kind, query.name
    if kind in (wire.A, wire.AAAA):
        found = zone.addresses(view, name, kind == wire.AAAA)
        if found is not None:
            return wire.addresses(query, _turned(found, turn), TTL, limit)
        return _reverse(query, zone, view)
    ipv4 = zone.addresses(view, name, ipv6=False)
    if ipv4 is None:
        return _reverse(query, zone, view)
    if kind != wire.ANY:
        return wire.empty(query)
    ipv6 = zone.addresses(view, name, ipv6=True) or ()
    return wire.addresses(query, (*_turned(ipv4, turn), *_turned(ipv6, turn)), TTL, limit)


def _reverse(query: Query, zone: Zone, view: View) -> bytes | None:
    """The answer if the name is that of an address; None: it may be asked for outside."""
    packed = reversed_address(query.name)
    if packed is None:
        return wire.empty(query, wire.NXDOMAIN) if query.name.endswith(view.closed) else None
    pointed = zone.reverse(view, packed)
    if pointed is not None:
        wanted = query.kind in (wire.PTR, wire.ANY)
        return wire.pointer(query, pointed, TTL) if wanted else wire.empty(query)
    return wire.empty(query, wire.NXDOMAIN) if view.owns(packed) else None


def _turned(found: tuple[bytes, ...], turn: int) -> tuple[bytes, ...]:
    if len(found) < 2:
        return found
    first = turn % len(found)
    return found[first:] + found[:first]
