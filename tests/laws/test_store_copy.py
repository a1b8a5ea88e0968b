"""A host's copy of the shared store, whatever the order and the batches in which it hears of it."""

import contextlib
import json
from ipaddress import ip_address, ip_interface, ip_network

from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.cluster import Claim, Member, RemoteEndpoint
from fairlead.model.network import Network, Pool
from fairlead.overlay import documents, keys
from fairlead.overlay.copy import Read, StoreCopy
from fairlead.overlay.fields import Refused

OWN, OTHER, THIRD = "1" * 64, "2" * 64, "3" * 64
NETWORK = "a" * 64
VTEPS = {OTHER: "198.51.100.2", THIRD: "198.51.100.3"}


def member(identity: str, generation: int) -> tuple[str, str]:
    made = Member(identity, "node", ip_address(VTEPS[identity]), "x:1", generation)
    return keys.member(identity), documents.write_member(made)


def network() -> tuple[str, str]:
    pool = Pool(ip_network("10.0.0.0/24"), gateway=ip_address("10.0.0.1"))
    made = Network(NETWORK, "demo", "overlay", 1, 1, scope="global", pools=(pool,), vni=5000)
    return keys.network(NETWORK), documents.write_network(made)


def endpoint(number: int, of: str, generation: int) -> RemoteEndpoint:
    return RemoteEndpoint(
        f"{number:064x}",
        NETWORK,
        of,
        generation,
        ip_address(VTEPS[of]),
        f"02:42:00:00:00:{number:02x}",
        f"c{number}",
        ip_interface(f"10.0.0.{number}/24"),  # type: ignore[arg-type]
        names=(f"c{number}",),
    )


hosts = st.sampled_from([OTHER, THIRD])
numbers, generations = st.integers(2, 5), st.integers(1, 3)
written = st.one_of(
    st.builds(member, hosts, generations),
    st.builds(network),
    st.builds(
        lambda number, of, generation: (
            keys.endpoint(NETWORK, f"{number:064x}"),
            documents.write_endpoint(endpoint(number, of, generation)),
        ),
        numbers,
        hosts,
        generations,
    ),
    st.builds(
        lambda number, holder, of: (
            keys.claim(NETWORK, ip_address(f"10.0.0.{number}")),
            documents.write_claim(Claim(NETWORK, ip_address(f"10.0.0.{number}"), of, f"{holder:064x}")),
        ),
        numbers,
        numbers,
        hosts,
    ),
)
# What happens in the store, one revision each: a key written, or taken away.
histories = st.lists(st.tuples(written, st.booleans()), max_size=40)


def steps(history: list[tuple[tuple[str, str], bool]]) -> list[tuple[int, str, Read | None]]:
    return [
        (revision, key, None if gone else Read(value, revision))
        for revision, ((key, value), gone) in enumerate(history, start=1)
    ]


def final(made: list[tuple[int, str, Read | None]]) -> dict[str, Read]:
    there: dict[str, Read | None] = {key: read for _, key, read in made}
    return {key: read for key, read in there.items() if read is not None}


def seen(copy: StoreCopy) -> tuple[object, ...]:
    return copy.members, copy.networks, copy.claims.get(NETWORK, {}), copy.believed


@given(histories, st.data())
def test_however_it_comes_in_batches_the_copy_is_the_store(
    history: list[tuple[tuple[str, str], bool]], data: st.DataObject
) -> None:
    made = steps(history)
    whole, followed = StoreCopy(OWN), StoreCopy(OWN)
    whole.replace(len(made), final(made))
    left = made
    while left:
        batch, left = left[: (cut := data.draw(st.integers(1, len(left))))], left[cut:]
        followed.apply(batch[-1][0], {key: read for _, key, read in batch})
    assert seen(followed) == seen(whole)


@given(histories, st.data())
def test_what_comes_late_or_twice_changes_nothing(
    history: list[tuple[tuple[str, str], bool]], data: st.DataObject
) -> None:
    """A host's own writes are in its copy before the watch tells what went before them."""
    made = steps(history)
    whole, mixed = StoreCopy(OWN), StoreCopy(OWN)
    whole.replace(len(made), final(made))
    again = data.draw(st.lists(st.sampled_from(made), max_size=5)) if made else []
    for revision, key, read in data.draw(st.permutations([*made, *again])):
        mixed.apply(revision, {key: read})
    assert seen(mixed) == seen(whole)


@given(histories)
def test_only_who_has_claimed_an_address_is_believed(history: list[tuple[tuple[str, str], bool]]) -> None:
    made = steps(history)
    copy = StoreCopy(OWN)
    copy.replace(len(made), final(made))
    for each in copy.believed.values():
        assert each.ipv4 is not None
        held = copy.claims[NETWORK][each.ipv4.ip].claim
        assert (held.endpoint_id, held.member_id) == (each.id, each.member_id)
        assert copy.members[each.member_id].vtep == each.vtep
        assert copy.members[each.member_id].generation <= each.generation
    addresses = [each.ipv4 for each in copy.believed.values()]
    assert len(set(addresses)) == len(addresses)


@given(st.integers(2, 250), hosts, generations)
def test_what_is_written_is_read(number: int, of: str, generation: int) -> None:
    made = endpoint(number, of, generation)
    key = keys.EndpointKey(NETWORK, made.id)
    assert documents.read_endpoint(key, documents.write_endpoint(made)) == made


def require_only_refusals(text: str) -> None:
    """Every reader takes the text or refuses it; nothing else comes of it."""
    readers = (
        lambda: documents.read_member(keys.MemberKey(OWN), text),
        lambda: documents.read_network(keys.NetworkKey(NETWORK), text),
        lambda: documents.read_endpoint(keys.EndpointKey(NETWORK, OWN), text),
        lambda: documents.read_claim(keys.ClaimKey(NETWORK, ip_address("10.0.0.2")), text),
    )
    for read in readers:
        with contextlib.suppress(Refused):
            read()


@given(st.text(max_size=200))
def test_no_text_is_more_than_refused(text: str) -> None:
    require_only_refusals(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FIELDS = (
    "id name vtep advertised generation network member mac container ipv4 ipv6 names created vni pools "
    "internal attachable enable_ipv6 options labels ipam_driver ipam_options removed_by endpoint"
).split()


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), st.sampled_from(FIELDS), json_values)
def test_no_document_is_more_than_refused(values: dict[str, object], field: str, value: object) -> None:
    good = json.loads(documents.write_endpoint(endpoint(3, OTHER, 1)))
    for document in ({"schema": 1, **values}, good | {field: value}):
        require_only_refusals(json.dumps(document))
