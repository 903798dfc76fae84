"""What a container can do to the engine and to others by its standard streams and terminals."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.daemon import wait_until
from tests.engine.escapes.cells import BOB, Cell

pytestmark = pytest.mark.requires_root


def processor_seconds(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("how", ["steal", "packets"])
def test_a_container_that_plays_with_its_own_output_pipe_stalls_nobody(new_cell: Callable[..., Cell], how: str) -> None:
    """It may open its output for reading and take bytes that the supervisor has seen, but not yet taken."""
    cell = new_cell("streams", how)
    neighbour = new_cell(tenant=BOB)
    while cell.engine.inspect(cell.container_id)["State"]["Running"]:
        assert neighbour.run("echo", "well") == (0, "well\n")
    wait_until(lambda: "done" in cell.log(), "the last word to arrive")
    before = processor_seconds(cell.engine.supervisor_pid())
    assert neighbour.run("sleep", "0.5") == (0, "")
    assert processor_seconds(cell.engine.supervisor_pid()) - before < 0.4


def test_output_passed_on_to_another_container_does_not_hold_up_an_exit(new_cell: Callable[..., Cell]) -> None:
    """What another process of the container holds open ends with the container."""
    cell = new_cell("sh", "-c", "(setsid sleep 600 &) ; sleep 0.2; echo last")
    wait_until(lambda: not cell.engine.inspect(cell.container_id)["State"]["Running"], "the exit to be told")
    assert cell.log() == "last\n"


def test_what_is_typed_into_a_terminal_from_inside_stays_there(new_cell: Callable[..., Cell]) -> None:
    """TIOCSTI, and the requests of a console."""
    cell = new_cell("sh", Tty=True, OpenStdin=True)
    _, output = cell.run("streams", "inject", Tty=True)
    answers = dict(line.strip().split(": ") for line in output.splitlines() if ": " in line)
    assert answers.pop("TIOCSTI") in ("ok", "EIO", "EPERM")
    assert answers.pop("TIOCSCTTY") in ("ok", "EPERM")  # of its own terminal
    assert set(answers.values()) <= {"ENOTTY", "EPERM", "EINVAL", "EBUSY"}
    assert "typed" not in cell.log()


def test_terminals_of_another_container_have_no_name_inside(new_cell: Callable[..., Cell]) -> None:
    other = new_cell("sh", tenant=BOB, Tty=True, OpenStdin=True)
    cell = new_cell("sh", Tty=True, OpenStdin=True)
    assert cell.shell("ls /dev/pts").split() == ["0", "ptmx"]
    assert cell.shell("echo evil > /dev/pts/0; echo evil > /dev/console; echo evil > /dev/pts/1") != ""
    assert "evil" not in other.log()
    assert "evil" in cell.log()


def test_a_terminal_multiplexer_gives_only_terminals_of_the_containers_own(cell: Cell) -> None:
    before = set(Path("/dev/pts").iterdir())
    assert cell.run("true", Tty=True)[0] == 0
    assert cell.call(2, "s:/dev/ptmx", 2).startswith("ok")
    assert cell.shell("stat -c %d /dev/ptmx") != f"{Path('/dev/pts').stat().st_dev}\n"
    assert set(Path("/dev/pts").iterdir()) <= before


def test_the_console_is_the_containers_terminal_or_not_there(new_cell: Callable[..., Cell], cell: Cell) -> None:
    assert "No such file" in cell.shell("ls /dev/console")
    terminal = new_cell("sh", Tty=True, OpenStdin=True)
    assert terminal.shell("stat -c %t:%T /dev/console /dev/pts/0").split() == ["88:0", "88:0"]


@pytest.mark.parametrize(
    "path", ["/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/kmsg", "/dev/mem", "/dev/port", "/dev/vcs", "/dev/fb0"]
)
def test_no_device_of_the_machine_is_there_or_can_be_made(cell: Cell, path: str) -> None:
    assert "No such file" in cell.shell(f"cat {path}")
    assert "peration not permitted" in cell.shell(f"mknod {path} c 1 1")


def test_a_log_that_grows_faster_than_it_is_read_has_an_end(new_cell: Callable[..., Cell]) -> None:
    """Without following, what was there at the request is all."""
    cell = new_cell("sh", "-c", "yes | head -c 600000000; sleep 600")
    wait_until(lambda: "y" in cell.engine.request("GET", f"{path_of(cell)}?stdout=1&tail=1").body.decode(), "the flood")
    body = cell.engine.request("GET", f"{path_of(cell)}?stdout=1&tail=1").body
    assert 0 < len(body) < 100 * 2**20


def path_of(cell: Cell) -> str:
    return f"/containers/{cell.container_id}/logs"
