"""Who a process runs as: Docker's user text read against an image's /etc/passwd and /etc/group. Pure; files come as text."""

from typing import NamedTuple

from engine.runtime.steps import LaunchError

_LARGEST_ID = 2**31 - 1


class Account(NamedTuple):
    """Ids inside the container, and the home directory."""

    uid: int
    gid: int
    groups: list[int]
    home: str


class _User(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class _Group(NamedTuple):
    name: str
    gid: int
    members: list[str]


def find_account(user: str, additional_groups: list[str], *, passwd: str, group: str) -> Account:
    """Read ``""``, ``user`` or ``user:group``, each a name or a number.

    A number that no entry has is taken as it is. Without a group of its own, the user's entry gives the main group and the group
    file the further ones. Raises LaunchError for an unknown name.
    """
    user_text, _, group_text = user.partition(":")
    entry = _find_user(user_text, passwd)
    groups = _parse_groups(group)
    gid = _find_group(group_text, groups) if group_text else entry.gid
    further = [] if group_text else [found.gid for found in groups if entry.name and entry.name in found.members]
    wanted = [_find_group(text, groups) for text in additional_groups]
    # The main group among them too: else a process could rid itself of it, and pass a file that shuts that group out.
    return Account(entry.uid, gid, list(dict.fromkeys([gid, *further, *wanted])), entry.home or "/")


def _find_user(text: str, passwd: str) -> _User:
    wanted = text or "0"
    users = _parse_users(passwd)
    found = next((user for user in users if user.name == wanted), None)
    if found is None and wanted.isdecimal():
        uid = _checked_id(wanted)
        found = next((user for user in users if user.uid == uid), _User("", uid, 0, "/"))
    if found is None:
        raise LaunchError(f"unable to find user {wanted}: no matching entries in passwd file", step="user", exit_code=126)
    return found


def _find_group(text: str, groups: list[_Group]) -> int:
    found = next((group for group in groups if group.name == text), None)
    if found is not None:
        return found.gid
    if text.isdecimal():
        return _checked_id(text)
    raise LaunchError(f"unable to find group {text}: no matching entries in group file", step="user", exit_code=126)


def _checked_id(text: str) -> int:
    number = int(text) if len(text) <= len(str(_LARGEST_ID)) else _LARGEST_ID + 1
    if number > _LARGEST_ID:
        raise LaunchError(f"uids and gids must be in range 0-{_LARGEST_ID}, got {text[:20]}", step="user", exit_code=126)
    return number


def _parse_users(passwd: str) -> list[_User]:
    """Entries of passwd(5); lines that are none are passed over, as images hold all sorts."""
    users = []
    for line in passwd.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= 6 and fields[2].isdecimal() and fields[3].isdecimal():
            users.append(_User(fields[0], int(fields[2]), int(fields[3]), fields[5]))
    return users


def _parse_groups(group: str) -> list[_Group]:
    """Entries of group(5)."""
    groups = []
    for line in group.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= 4 and fields[2].isdecimal():
            groups.append(_Group(fields[0], int(fields[2]), fields[3].split(",")))
    return groups
