"""What only the real tools can tell: what they print back, and what happens when others interfere."""

import asyncio
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.firewall import nft_text, policy
from fairlead.firewall.iptables_text import parse
from fairlead.firewall.ruleset import Ruleset, edit, placement
from fairlead.firewall.tables import SHELVES
from fairlead.kernel import elements
from fairlead.kernel import rules as kernel_rules
from fairlead.kernel.nft import Nftables
from fairlead.kernel.rules import Iptables
from fairlead.model.errors import StepFailed, Unsupported
from fairlead.model.host import Family, Key, NftKey, RuleKey, State, Step
from tests.kernel.virtual_host import private_namespace, run

pytestmark = pytest.mark.kernel

CASES = Path(__file__).parents[1] / "cases" / "firewall"
VARIANTS = [variant for variant in ("-nft", "-legacy") if shutil.which(f"iptables{variant}-restore")]
PORT = NftKey("ports", '"docker0" . tcp . 88')
GUARD = NftKey("loopback", "127.0.0.0/8")
TABLE = {
    GUARD: "",
    PORT: "172.17.0.2 . 80",
    NftKey("guarded", '"docker0" . ipv4'): "",
    NftKey("ipv6_addresses", '"veth1" . 0xfd000000000000000000000000000002'): "",
}


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    with private_namespace():
        yield


@pytest.fixture
def nftables() -> Iterator[Nftables]:
    actuator = Nftables()
    yield actuator
    actuator.close()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir() if folder.is_dir()))
def test_iptables_prints_our_rules_as_we_wrote_them(case: str, variant: str) -> None:
    path = CASES / case / "ruleset.txt"
    tool = "ip6tables" if '"ipv6"' in (CASES / case / "records.json").read_text() else "iptables"
    run(f"{tool}{variant}-restore < '{path}'")
    wanted = parse(path.read_text())
    printed = parse(run(f"{tool}{variant}-save"))
    assert printed.policies == wanted.policies
    assert printed.chains == wanted.chains


def test_nft_prints_our_elements_as_we_wrote_them() -> None:
    additions = nft_text.commands([Step(key, None, content) for key, content in TABLE.items()])
    run(f"nft -f - <<'END'\n{nft_text.skeleton()}{additions}END")
    found = nft_text.parse(run("nft list ruleset"))
    assert found.elements == TABLE
    assert found.intact


def observe(actuator: Nftables | Iptables, *keys: Key) -> State:
    return asyncio.run(actuator.observe(keys))


def perform(actuator: Nftables | Iptables, *steps: Step) -> None:
    asyncio.run(actuator.perform(steps))


def converge_table(actuator: Nftables) -> None:
    observed = observe(actuator, *TABLE)
    perform(actuator, *(Step(key, observed[key], wanted) for key, wanted in TABLE.items()))
    assert observe(actuator, *TABLE) == TABLE


@pytest.mark.parametrize(
    "interference",
    [
        "nft flush ruleset",
        "nft delete table ip fairlead",
        "nft flush table ip fairlead",
        "nft flush chain ip fairlead guard",
        "nft flush chain ip fairlead from_host; nft delete chain ip fairlead from_host",
        "nft add rule ip fairlead hide_source counter",
        "nft delete table bridge fairlead",
        "nft flush chain inet fairlead direct_routing",
        "nft flush chain bridge fairlead from_endpoints",
        "nft flush table bridge fairlead; nft delete chain bridge fairlead ipv6_source",
        "nft flush chain ip fairlead from_host; nft flush chain ip fairlead from_containers;"
        " nft delete map ip fairlead ports",
    ],
)
def test_a_damaged_table_is_seen_with_the_guard_and_made_whole(nftables: Nftables, interference: str) -> None:
    converge_table(nftables)
    run(interference)
    assert observe(nftables, *TABLE) == dict.fromkeys(TABLE)
    converge_table(nftables)
    listing = run("nft list ruleset")
    assert "counter packets" not in listing
    assert nft_text.parse(listing).intact


def test_every_kind_of_key_can_be_asked_for() -> None:
    exact = [shelf for shelf in SHELVES if not shelf.interval]
    assert {kind for shelf in exact for kind in shelf.key} <= elements.WRITTEN.keys()
    assert {kind for shelf in exact for kind in shelf.data} <= elements.READ.keys()


def test_every_change_writes_the_rules_again(nftables: Nftables) -> None:
    converge_table(nftables)
    run("nft flush chain ip fairlead guard")
    perform(nftables, Step(PORT, TABLE[PORT], None))
    assert nft_text.parse(run("nft list ruleset")).intact


def test_a_table_without_a_chain_has_no_working_element(nftables: Nftables) -> None:
    converge_table(nftables)
    run("nft flush chain ip fairlead from_host; nft delete chain ip fairlead from_host")
    assert observe(nftables, PORT) == {PORT: None}
    perform(nftables, Step(PORT, None, "172.17.0.3 . 80"))
    assert observe(nftables, PORT) == {PORT: "172.17.0.3 . 80"}


def test_tables_of_others_are_passed_over(nftables: Nftables) -> None:
    run("nft add table ip other; nft add set ip other ports '{ type ipv4_addr; }'")
    run("nft add chain ip other guard")
    assert observe(nftables, PORT) == {PORT: None}
    converge_table(nftables)
    assert "set ports" in run("nft list table ip other")


def test_repair_keeps_the_elements_that_nobody_asked_about(nftables: Nftables) -> None:
    converge_table(nftables)
    run("nft flush chain ip fairlead guard")
    perform(nftables, Step(GUARD, None, ""))
    assert observe(nftables, PORT) == {PORT: "172.17.0.2 . 80"}


@pytest.mark.parametrize(
    "content",
    [
        "set ip fairlead ports { type ipv4_addr; }",
        "chain ip fairlead other",
        "set bridge fairlead ipv6_addresses { type ifname . ipv6_addr; }",
    ],
)
def test_a_table_of_another_shape_under_our_name_gives_way(nftables: Nftables, content: str) -> None:
    run(f"nft add table {' '.join(content.split()[1:3])}; nft add '{content}'")
    assert observe(nftables, *TABLE) == dict.fromkeys(TABLE)
    converge_table(nftables)


def test_the_table_goes_with_its_last_element(nftables: Nftables) -> None:
    converge_table(nftables)
    perform(nftables, *(Step(key, content, None) for key, content in TABLE.items()))
    assert run("nft list ruleset") == ""
    perform(nftables, Step(PORT, "172.17.0.2 . 80", None))
    assert run("nft list ruleset") == ""


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.libnftables.LIBRARY", "libnot-there.so.1")
    actuator = Nftables()
    with pytest.raises(Unsupported, match="cannot reach nftables: libnot-there.so.1 is not installed"):
        observe(actuator, PORT)
    actuator.close()


def test_without_iptables_the_remedy_is_named() -> None:
    with pytest.raises(Unsupported, match="cannot reach the firewall: iptables-none-save is not installed"):
        observe(Iptables("-none"), RuleKey(Family.IPV4, "filter", "FORWARD", "-j ACCEPT"))


def test_rules_that_change_while_we_look_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program takes a rule away between our look and our act."""
    run("iptables -A FORWARD -i br1 -o br1 -j ACCEPT")
    keys = [
        RuleKey(Family.IPV4, "filter", "FORWARD", text)
        for text in ("-i br1 -o br1 -j ACCEPT", "-o br1 -j DROP")
    ]
    looks = []

    def interfered(ruleset: Ruleset, steps: list[Step]) -> object:
        looks.append(edit(ruleset, steps))
        if len(looks) == 1:
            run("iptables -F FORWARD")
        return looks[-1]

    monkeypatch.setattr(kernel_rules, "edit", interfered)
    actuator = Iptables()
    perform(actuator, Step(keys[0], placement(keys[0]), None), Step(keys[1], None, placement(keys[1])))
    assert len(looks) == 2
    assert parse(run("iptables-save")).rules("filter", "FORWARD") == ["-o br1 -j DROP"]


@pytest.mark.skipif("-legacy" not in VARIANTS, reason="needs iptables-legacy")
def test_a_lock_that_stays_taken_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock = tmp_path / "xtables.lock"
    monkeypatch.setenv("XTABLES_LOCKFILE", str(lock))
    monkeypatch.setattr(kernel_rules, "LOCK_WAIT", 1)
    key = RuleKey(Family.IPV4, "filter", "FORWARD", "-i br1 -o br1 -j ACCEPT")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StepFailed, match="cannot change the iptables rules: another program has held"):
            perform(Iptables("-legacy"), Step(key, None, placement(key)))
    perform(Iptables("-legacy"), Step(key, None, placement(key)))


def test_base_needs_one_reading_and_one_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    real = kernel_rules.run

    async def counted(argv: list[str], **options: object) -> object:
        started.append(Path(argv[0]).name)
        return await real(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(kernel_rules, "run", counted)
    base = {key: value for key, value in policy.base().items() if not isinstance(key, NftKey)}
    perform(Iptables(), *(Step(key, None, value) for key, value in base.items()))
    assert started == ["iptables-save", "iptables-restore"]
    started.clear()
    perform(Iptables(), *(Step(key, None, value) for key, value in base.items()))
    assert started == ["iptables-save"]
