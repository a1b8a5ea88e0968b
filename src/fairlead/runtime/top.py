"""`docker top`: the host's ps, its rows cut down to one container's processes."""

from collections.abc import Collection

from fairlead import process
from fairlead.model.errors import InvalidParameter

_DEFAULT = "-ef"


async def top(pids: Collection[int], arguments: str) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of `ps ARGUMENTS`.  InvalidParameter, in Docker's words, when ps does not like them."""
    finished = await process.run(["ps", *(arguments or _DEFAULT).split()])
    if finished.code:
        complaint = finished.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise InvalidParameter(f"error running ps: {complaint or f'exit status {finished.code}'}")
    return rows(finished.stdout.decode(errors="replace"), pids)


def rows(output: str, pids: Collection[int]) -> tuple[list[str], list[list[str]]]:
    """Titles and the rows of these processes; the last column takes in what follows it.

    InvalidParameter when there is no PID column.  Source: Docker's `parsePSOutput`.
    """
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidParameter("Couldn't find PID field in ps output")
    column, wanted = titles.index("PID"), {str(pid) for pid in pids}
    chosen = []
    before = False
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) <= column:
            continue
        # ps -m writes the threads of a process under it, with "-" for their number.
        before = fields[column] in wanted or (before and fields[column] == "-")
        if before:
            chosen.append(fields)
    return titles, chosen
