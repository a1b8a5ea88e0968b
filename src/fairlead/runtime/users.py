"""Who a container's process is: names and numbers looked up in the image's own passwd and group files.

Source: the rules of Docker's `user.GetExecUser`, its messages included.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fairlead.model.errors import StartFailed

_LARGEST = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class ProcessUser:
    """Numbers that a process runs under; `groups` holds its own group first."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = (0,)
    home: str = "/"


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _rows(text: str, columns: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= columns and not line.startswith("#"):
            yield fields


def _accounts(passwd: str) -> list[_Account]:
    return [
        _Account(row[0], uid, gid, row[5])
        for row in _rows(passwd, 6)
        if (uid := _number(row[2])) is not None and (gid := _number(row[3])) is not None
    ]


def _groups(group: str) -> list[_Group]:
    return [
        _Group(row[0], gid, tuple(name for name in (row[3] if len(row) > 3 else "").split(",") if name))
        for row in _rows(group, 3)
        if (gid := _number(row[2])) is not None
    ]


def _in_range(number: int) -> int:
    if number > _LARGEST:
        raise StartFailed("uids and gids must be in range 0-2147483647")
    return number


def look_up(user: str, additional: Iterable[str], passwd: str, group: str) -> ProcessUser:
    """The numbers behind `user`, written NAME|UID[:GROUP|GID], and additional groups.

    `passwd` and `group` are the texts of the image's files, "" if it has none.  Raises
    StartFailed in Docker's words for a name that is in neither.
    """
    wanted_user, _, wanted_group = user.partition(":")
    number = _number(wanted_user)
    account = _find_account(_accounts(passwd), wanted_user, number)
    if account is None and wanted_user and number is None:
        raise StartFailed(f"unable to find user {wanted_user}: no matching entries in passwd file")
    uid = account.uid if account else _in_range(number or 0)
    gid = account.gid if account else 0
    known = _groups(group)
    supplementary: list[int] = []
    if wanted_group:
        gid = _find_group(known, wanted_group, "unable to find group")
    elif account is not None:
        supplementary = [each.gid for each in known if account.name in each.members]
    supplementary += [_find_group(known, name, "Unable to find group") for name in additional]
    home = account.home if account and account.home else "/"
    return ProcessUser(uid, gid, tuple(dict.fromkeys((gid, *supplementary))), home)


def _find_account(accounts: Sequence[_Account], name: str, number: int | None) -> _Account | None:
    if not name:
        number = 0
    for account in accounts:
        if account.uid == number if number is not None else account.name == name:
            return account
    return None


def _find_group(groups: Sequence[_Group], name: str, complaint: str) -> int:
    number = _number(name)
    for group in groups:
        if group.gid == number if number is not None else group.name == name:
            return group.gid
    if number is None:
        raise StartFailed(f"{complaint} {name}: no matching entries in group file")
    return _in_range(number)
