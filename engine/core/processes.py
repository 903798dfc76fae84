"""Processes as a table of texts, in the columns of ``ps -ef`` or as the host's ``ps`` printed it.

Owns the arithmetic of /proc's numbers (proc_pid_stat(5)), and the reading of what ps prints. Pure.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from engine.core.launch import IdMapping
from engine.errors import InvalidParameter

TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PSEUDO_TERMINALS = range(136, 144)  # their major numbers
# Which of the four numbers of "Uid:" and "Gid:" a column shows: real, effective, saved, file system's.
_USER_TITLES = {"UID": 1, "USER": 1, "EUID": 1, "EUSER": 1, "RUID": 0, "RUSER": 0, "SUID": 2, "SUSER": 2, "FUID": 3, "FUSER": 3}
_GROUP_TITLES = {"GID": 1, "GROUP": 1, "EGID": 1, "EGROUP": 1, "RGID": 0, "RGROUP": 0, "SGID": 2, "SGROUP": 2, "FGID": 3}


@dataclass(frozen=True, slots=True)
class ProcessTexts:
    """What /proc tells of one process: its files stat, status and cmdline."""

    pid: int
    stat: str
    status: str
    command_line: bytes


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under titles; the last column may hold blanks."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """What times of processes are counted in: ticks in a second, and when the host started (seconds since 1970)."""

    ticks: int
    booted: float
    now: float
    zone: tzinfo | None = None


def full_table(processes: Sequence[ProcessTexts], *, clock: Clock, ids: Sequence[IdMapping]) -> Table:
    """Return processes as ``ps -ef`` shows them, with the users that the container knows."""
    rows = [_full_row(process, clock, ids) for process in sorted(processes, key=lambda one: one.pid)]
    return Table(TITLES, tuple(row for row in rows if row))


def _full_row(process: ProcessTexts, clock: Clock, ids: Sequence[IdMapping]) -> tuple[str, ...]:
    name, fields = _stat(process.stat)
    if len(fields) < 20:
        return ()
    ppid, terminal, used, started = fields[1], int(fields[4]), int(fields[11]) + int(fields[12]), int(fields[19])
    seconds, since = used // clock.ticks, clock.booted + started / clock.ticks
    share = min(99, int(100 * used / clock.ticks / max(clock.now - since, 0.01)))
    arguments = process.command_line.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    user = container_id_of(_ids_of(process.status, "Uid:")[1], ids)
    command = _UNPRINTABLE.sub("?", arguments) or f"[{_UNPRINTABLE.sub('?', name)}]"
    return (user, str(process.pid), ppid, str(share), _start(since, clock), _terminal(terminal), _span(seconds), command)


def _stat(text: str) -> tuple[str, list[str]]:
    """The name stands in parentheses and may itself hold some, so what follows is found from the end."""
    before, _, after = text.rpartition(")")
    return before.partition("(")[2], after.split()


def _start(since: float, clock: Clock) -> str:
    began, now = datetime.fromtimestamp(since, clock.zone), datetime.fromtimestamp(clock.now, clock.zone)
    if began.date() == now.date():
        return f"{began:%H:%M}"
    return f"{began:%b%d}" if began.year == now.year else f"{began:%Y}"


def _terminal(number: int) -> str:
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    return f"pts/{(major - _PSEUDO_TERMINALS[0]) * 256 + minor}" if major in _PSEUDO_TERMINALS else "?"


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    return f"{f'{days}-' if days else ''}{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def container_id_of(host_id: int, ids: Sequence[IdMapping]) -> str:
    """Return a user or group as the container numbers it: ``root`` for 0, ``?`` for one that it does not have."""
    for mapping in ids:
        if mapping["host"] <= host_id < mapping["host"] + mapping["length"]:
            number = mapping["container"] + host_id - mapping["host"]
            return str(number) if number else "root"
    return "?"


def _ids_of(status: str, name: str) -> list[int]:
    """Real, effective, saved and file system id (proc_pid_status(5))."""
    line = next((line for line in status.splitlines() if line.startswith(name)), "")
    found = [int(number) for number in line.split()[1:]]
    return found if len(found) == 4 else [-1] * 4


def parse_ps(text: str, *, pids: Collection[int], statuses: Mapping[int, str], ids: Sequence[IdMapping]) -> Table:
    """Read what ps printed, keeping the rows of ``pids``. Raises InvalidParameter when it shows no process ids."""
    first, *lines = text.splitlines() or [""]
    titles = tuple(first.split())
    if "PID" not in titles:
        raise InvalidParameter("couldn't find PID field in ps output: let the arguments leave its title as it is")
    rows = []
    for line in lines:
        row = _row(line, len(titles))
        pid = row[titles.index("PID")] if len(row) == len(titles) else ""
        if pid.isdecimal() and int(pid) in pids:
            rows.append(_with_own_ids(row, titles, statuses.get(int(pid), ""), ids))
    return Table(titles, tuple(rows))


def _row(line: str, count: int) -> list[str]:
    return [_UNPRINTABLE.sub("?", field) for field in line.split(maxsplit=count - 1)]


def _with_own_ids(row: list[str], titles: tuple[str, ...], status: str, ids: Sequence[IdMapping]) -> tuple[str, ...]:
    """ps shows the host's numbers, cut to the width of the column."""
    users, groups = _ids_of(status, "Uid:"), _ids_of(status, "Gid:")

    def own(title: str, shown: str) -> str:
        if title in _USER_TITLES:
            return container_id_of(users[_USER_TITLES[title]], ids)
        return container_id_of(groups[_GROUP_TITLES[title]], ids) if title in _GROUP_TITLES else shown

    return tuple(own(title, shown) for title, shown in zip(titles, row, strict=True))
