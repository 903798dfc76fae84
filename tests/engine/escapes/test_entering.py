"""What a container learns and gets from the engine's own processes: those that enter it, and the one that made it."""

from collections.abc import Callable

import pytest

from tests.engine.daemon import wait_until
from tests.engine.escapes.cells import Cell

pytestmark = pytest.mark.requires_root


@pytest.fixture(scope="module")
def seen(cell: Cell) -> list[str]:
    """What a watcher in the container has read of some execs on their way in, with and without a terminal."""
    watcher = Cell(cell.engine, "watch", "3")
    wait_until(lambda: "ready" in watcher.log(), "the watcher to look")
    while "looked" not in watcher.log():
        body = {"Cmd": ["true"], "Tty": len(watcher.log()) % 2 == 0}
        created = cell.engine.request("POST", f"/containers/{watcher.container_id}/exec", body)
        if created.status == 201:
            cell.engine.request("POST", f"/exec/{created.document['Id']}/start", {"Detach": True})
    lines = watcher.log().splitlines()
    watcher.remove()
    return lines


def test_the_watcher_has_met_processes_on_their_way_in(seen: list[str]) -> None:
    assert int(next(line for line in seen if line.startswith("looked")).split()[1]) > 0


def test_a_process_that_enters_shows_no_mount_of_the_host(seen: list[str]) -> None:
    lines = [line for line in seen if line.startswith(("mountinfo:", "mounts:"))]
    assert [line for line in lines if " / " not in line or "tmpfs" not in line] == []
    assert not any("/proc " in line or "/sys " in line or "/dev/" in line for line in seen)


def test_a_process_that_enters_shows_no_connection_or_interface_of_the_host(seen: list[str]) -> None:
    assert [line for line in seen if line.startswith(("net/unix:", "net/tcp:", "net/route:"))] == []
    assert [line for line in seen if "eth" in line or "veth" in line or ".sock" in line] == []


def test_a_process_that_enters_shows_no_command_line_or_folder_of_the_engine(seen: list[str], cell: Cell) -> None:
    lines = [line.removeprefix("cmdline:").strip() for line in seen if line.startswith("cmdline:")]
    assert set(lines) <= {""}
    assert not any(str(cell.engine.root) in line or "python" in line for line in seen)


@pytest.mark.parametrize("name", ["environ", "maps", "mem", "auxv", "stack", "syscall", "io", "mountstats", "map_files"])
def test_a_process_that_enters_lets_nothing_be_read_that_tracers_may_read(seen: list[str], name: str) -> None:
    assert f"{name}: read" not in seen


@pytest.mark.parametrize(
    "name", ["exe", "cwd", "root", "fd/0", "fd/1", "fd/2", "fd/3", "ns/mnt", "ns/net", "ns/user", "fdinfo/0"]
)
def test_a_process_that_enters_lets_no_link_be_followed(seen: list[str], name: str) -> None:
    assert [line for line in seen if line.startswith(f"{name}:")] == []


def test_the_engines_own_init_tells_nothing_of_the_host(new_cell: Callable[..., Cell]) -> None:
    cell = new_cell(HostConfig={"Init": True})
    assert cell.shell("tr '\\0' ' ' < /proc/1/cmdline").strip() == "init"
    for name in ("environ", "maps", "auxv", "mem"):
        assert "ermission denied" in cell.shell(f"head -c 1 /proc/1/{name}"), name
    for name in ("exe", "cwd", "root", "fd/0"):
        assert cell.shell(f"readlink /proc/1/{name}") == "", name
    assert "ermission denied" in cell.shell("ls /proc/1/fd/ /proc/1/map_files/")


@pytest.mark.parametrize("path", ["/proc/self/exe", "/proc/1/exe", "/proc/thread-self/exe"])
@pytest.mark.parametrize("init", [False, True])
def test_the_host_interpreter_cannot_be_written_to_by_way_of_a_script(
    new_cell: Callable[..., Cell], path: str, init: bool
) -> None:
    """CVE-2019-5736: the program that an exec runs leads back to whoever executes it."""
    cell = new_cell(HostConfig={"Init": init})
    cell.shell(f"rm /bin/id; printf '#!{path}\\n' > /bin/id; chmod 755 /bin/id")
    for _ in range(3):
        cell.engine.request("POST", f"/exec/{cell.prepare('id')}/start", {"Detach": True})
    attack = "for p in /proc/[0-9]*; do readlink $p/exe | grep -q python && (: >> $p/exe) && echo written; done"
    assert "written" not in cell.shell(attack)


def test_a_linked_interpreter_is_the_containers_or_none(new_cell: Callable[..., Cell]) -> None:
    cell = new_cell()
    cell.shell("ln -sf /proc/self/exe /bin/id")
    assert "python" not in cell.run("id", "--version")[1].lower()


@pytest.mark.parametrize("where", ["workdir of the container", "workdir of an exec", "image", "link"])
@pytest.mark.parametrize("number", [3, 7, 8, 9, 12])
def test_no_descriptor_leads_out_as_working_directory(new_cell: Callable[..., Cell], where: str, number: int) -> None:
    """CVE-2024-21626."""
    target = f"/proc/self/fd/{number}/../../../.."
    inside = {"bin", "etc", "proc", "tmp"}
    if where == "workdir of the container":
        engine = new_cell().engine
        container_id = engine.create("sh", "-c", "ls -a . ..; pwd", tenant="blue/ada", WorkingDir=target)
        if engine.request("POST", f"/containers/{container_id}/start").status == 204:
            engine.wait(container_id)
            assert inside <= set(engine.output(container_id).decode().split())
        return
    cell = new_cell()
    if where == "link":
        cell.shell(f"ln -s {target} /door")
        code, output = cell.run("ls", WorkingDir="/door")
    elif where == "image":
        cell.shell(f"rm -r /home/ada; ln -s {target} /home/ada")
        code, output = cell.run("ls", WorkingDir="/home/ada", User="ada")
    else:
        code, output = cell.run("ls", WorkingDir=target)
    assert code in (126, 127) or inside <= set(output.split()), output


def test_a_process_cannot_make_itself_less_likely_to_be_killed_for_memory(cell: Cell) -> None:
    """The supervisor's own score, which is low, must not be what its children may go back to."""
    assert cell.shell("cat /proc/self/oom_score_adj /proc/1/oom_score_adj").split() == ["0", "0"]
    for score in (-1, -900, -1000):
        assert "ermission denied" in cell.shell(f"echo {score} > /proc/self/oom_score_adj")


def test_nothing_is_inherited_from_the_supervisor(cell: Cell) -> None:
    status = dict(line.split(":", 1) for line in cell.run("cat", "/proc/self/status")[1].splitlines())
    assert {name: status[name].strip() for name in ("SigIgn", "SigBlk", "Umask", "CapInh", "CapAmb")} == {
        "SigIgn": "0" * 16,
        "SigBlk": "0" * 16,
        "Umask": "0022",
        "CapInh": "0" * 16,
        "CapAmb": "0" * 16,
    }
    environment = dict(line.split("=", 1) for line in cell.shell("tr '\\0' '\\n' < /proc/self/environ").splitlines())
    assert set(environment) <= {"PATH", "HOSTNAME", "HOME", "TERM"}
    assert cell.run("cut", "-d ", "-f19", "/proc/self/stat") == (0, "0\n")  # nice


def test_a_first_process_and_an_exec_hold_no_descriptor_but_their_streams(cell: Cell) -> None:
    assert cell.shell("ls /proc/1/fd; ls /proc/$$/fd; true").split() == ["0", "1", "2", "0", "1", "2"]


def test_no_session_or_terminal_is_shared(cell: Cell) -> None:
    fields = cell.shell("cut -d' ' -f5-8 /proc/1/stat; cut -d' ' -f6,7 /proc/self/stat").split()
    assert fields[:3] == ["1", "1", "0"]
    assert fields[-1] == "0"
