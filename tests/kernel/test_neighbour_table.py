"""The kernel's table of neighbours, beside what it says of it in files."""

from pathlib import Path

import pytest

from fairlead.kernel.neighbour_table import neighbour_table

pytestmark = pytest.mark.kernel

LIMIT = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
COUNTERS = Path("/proc/net/stat/arp_cache")  # a line for each processor, the last word how often it was full


def full() -> int:
    return sum(int(line.split()[-1], 16) for line in COUNTERS.read_text().splitlines()[1:])


@pytest.mark.skipif(not LIMIT.exists() or not COUNTERS.exists(), reason="only in the machine's own namespace")
def test_the_table_is_as_the_kernels_files_say() -> None:
    before = full()
    table = neighbour_table()
    assert table.limit == int(LIMIT.read_text())
    assert before <= table.full <= full()
