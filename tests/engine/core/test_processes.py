"""Processes as ps shows them, and which arguments of ps are let through."""

from datetime import UTC

import pytest

from engine.core.launch import IdMapping
from engine.core.processes import Clock, ProcessTexts, container_id_of, full_table, parse_ps
from engine.core.ps_arguments import parse_ps_arguments
from engine.errors import InvalidParameter

IDS: list[IdMapping] = [{"container": 0, "host": 1_000_000, "length": 65_536}]
CLOCK = Clock(ticks=100, booted=1_700_000_000.0, now=1_700_000_000.0 + 90_000, zone=UTC)

ALLOWED: list[tuple[str, list[str]]] = [
    ("", []),
    ("-ef", ["-f"]),
    ("aux", ["u"]),
    ("auxf", ["u", "f"]),
    ("-o pid,comm", ["-opid,comm"]),
    ("-eo pid,cmd --sort=-pid", ["-opid,cmd", "--sort=-pid"]),
    ("axo pid,comm", ["opid,comm"]),
    ("-A -o pid,tty --forest", ["-opid,tty", "--forest"]),
    ("--format 'pid,args' -L", ["--format=pid,args", "-L"]),
]
REFUSED = (
    *("-p 1", "-C sh", "-u root", "-N", "--pid 1", "--version", "--help", "V", "123", "-o", "-o pid;x", "'", "xyz", "t pts/0"),
    *("-q1", "--ppid=1", "-f $(id)", "-o /etc/passwd", "-eo 'pid\nx'", "x" * 10_000, "-f " * 60),
)


@pytest.mark.parametrize(("text", "expected"), ALLOWED, ids=[row[0] for row in ALLOWED])
def test_arguments_of_columns_and_order_are_let_through(text: str, expected: list[str]) -> None:
    assert parse_ps_arguments(text) == expected


@pytest.mark.parametrize("text", REFUSED, ids=[text[:12] for text in REFUSED])
def test_arguments_that_choose_processes_or_do_anything_else_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_ps_arguments(text)


def _texts(pid: int, *, name: str = "sh", uid: int = 1_000_000, terminal: int = 0, line: bytes = b"sh\0-c\0ls\0") -> ProcessTexts:
    fields = ["S", "1", "1", "1", str(terminal), *["0"] * 6, "6000", "300000", *["0"] * 6, "100", "0"]
    status = f"Name:\tsh\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
    return ProcessTexts(pid, f"{pid} ({name}) {' '.join(fields)}", status, line)


def test_a_process_is_shown_in_the_columns_of_the_full_form() -> None:
    table = full_table([_texts(12), _texts(7, uid=1_001_000, terminal=136 << 8 | 3)], clock=CLOCK, ids=IDS)
    assert table.titles == ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    assert table.rows == (
        ("1000", "7", "1", "3", "Nov14", "pts/3", "00:51:00", "sh -c ls"),
        ("root", "12", "1", "3", "Nov14", "?", "00:51:00", "sh -c ls"),
    )


def test_names_and_arguments_cannot_forge_columns_or_lines() -> None:
    table = full_table([_texts(5, name="x) R 0 (", line=b"a\n\x1b[2Jb\0")], clock=CLOCK, ids=IDS)
    assert table.rows[0][1:3] == ("5", "1")
    assert table.rows[0][-1] == "a??[2Jb"
    assert full_table([_texts(5, name="kern el", line=b"")], clock=CLOCK, ids=IDS).rows[0][-1] == "[kern el]"


def test_users_of_the_host_have_no_number_inside() -> None:
    assert [container_id_of(number, IDS) for number in (0, 999_999, 1_000_000, 1_000_007, 1_065_536)] == [
        "?",
        "?",
        "root",
        "7",
        "?",
    ]


def test_what_ps_prints_is_kept_for_the_containers_processes_only() -> None:
    printed = "USER         PID COMMAND\n1000000+      12 sh -c  ls\nroot          99 secret\nroot           - thread\n"
    table = parse_ps(printed, pids={12}, statuses={12: _texts(12, uid=1_000_033).status}, ids=IDS)
    assert table.rows == (("33", "12", "sh -c  ls"),)


def test_without_a_column_of_ids_nothing_can_be_told_apart() -> None:
    with pytest.raises(InvalidParameter, match="PID field"):
        parse_ps("COMMAND\nsh\n", pids={1}, statuses={}, ids=IDS)
