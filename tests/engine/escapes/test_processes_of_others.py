"""Processes of other containers, of the same tenant and of another: not to be seen, signalled, traced, read or spoken to."""

from collections.abc import Callable

import pytest

from tests.engine.escapes.cells import ADA, BOB, Cell

pytestmark = pytest.mark.requires_root


@pytest.fixture(params=[ADA, BOB], ids=["of the same tenant", "of another tenant"])
def victim(request: pytest.FixtureRequest, new_cell: Callable[..., Cell]) -> Cell:
    return new_cell("sh", "-c", "nc -ll -p 7 local:/own & sleep 1000 & wait", tenant=request.param, Env=["SECRET=hidden"])


IO_VECTOR = "x:00100000000000000800000000000000"  # eight bytes at 4096

CALLS: list[tuple[str, int, tuple[object, ...]]] = [
    ("kill", 62, (0,)),
    ("tkill", 200, (9,)),
    ("tgkill", 234, ()),
    ("rt_sigqueueinfo", 129, (9, "b:128")),
    ("ptrace attach", 101, ()),
    ("ptrace seize", 101, ()),
    ("process_vm_readv", 310, (IO_VECTOR, 1, IO_VECTOR, 1, 0)),
    ("process_vm_writev", 311, (IO_VECTOR, 1, IO_VECTOR, 1, 0)),
    ("pidfd_open", 434, (0,)),
    ("sched_setaffinity", 203, (8, "x:0100000000000000")),
    ("setpriority", 141, ()),
    ("prlimit64", 302, (7, "b:16", 0)),
    ("getpgid", 121, ()),
    ("ioprio_set", 251, ()),
    ("kcmp", 312, (1, 0, 0, 0)),
    ("migrate_pages", 256, (1, 0, 0)),
]


@pytest.mark.parametrize(("name", "number", "rest"), CALLS, ids=[name for name, _, _ in CALLS])
def test_no_call_reaches_a_process_by_its_number_on_the_host(
    cell: Cell, victim: Cell, name: str, number: int, rest: tuple[object, ...]
) -> None:
    pid = victim.pid
    arguments: tuple[object, ...] = {
        "tgkill": (pid, pid, 9),
        "ptrace attach": (16, pid, 0, 0),
        "ptrace seize": (0x4206, pid, 0, 0),
        "setpriority": (0, pid, 10),
        "ioprio_set": (1, pid, 0),
        "kcmp": (pid, pid, 0, 0, 0),
    }.get(name, (pid, *rest))
    assert cell.call(number, *arguments) in ("ESRCH", "EPERM", "EINVAL")
    assert victim.engine.inspect(victim.container_id)["State"]["Running"]


@pytest.mark.parametrize("name", ["mem", "root/", "cwd/", "environ", "fd/", "maps", "exe", "ns/", "cmdline", "task/"])
def test_no_file_of_a_process_is_there_under_its_number_on_the_host(cell: Cell, victim: Cell, name: str) -> None:
    assert "No such file" in cell.shell(f"cat /proc/{victim.pid}/{name}")


def test_no_signal_to_all_reaches_another(new_cell: Callable[..., Cell], victim: Cell) -> None:
    cell = new_cell()
    cell.shell("kill -9 -1; kill -9 0")
    assert victim.run("echo", "well") == (0, "well\n")


def test_sockets_shared_memory_and_queues_of_another_are_not_there(cell: Cell, victim: Cell) -> None:
    victim.shell("touch /dev/shm/theirs /dev/mqueue/theirs")
    assert "theirs" not in cell.shell("ls /dev/shm /dev/mqueue")
    assert cell.shell("tail -n +2 /proc/net/unix; tail -n +2 /proc/sysvipc/shm; tail -n +2 /proc/sysvipc/sem") == ""


def test_a_sockets_name_without_a_file_is_not_found_across_network_namespaces(cell: Cell) -> None:
    """The host's own, such as those of a session bus or of a display."""
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0atelier-test-{cell.container_id}")
        listener.listen()
        address = b"\x01\x00\x00" + f"atelier-test-{cell.container_id}".encode()
        descriptor = int(cell.call(41, 1, 1, 0).split()[1])  # socket: the number that a fresh process gets
        assert descriptor == 3
        assert cell.call(42, 0, f"x:{address.hex()}", len(address)) == "ENOTSOCK"
        assert listener.getsockname() not in cell.shell("cat /proc/net/unix").encode()
    assert "atelier-test" not in cell.shell("cat /proc/net/unix")


@pytest.mark.parametrize(
    "path", ["/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/containerd"]
)
def test_no_socket_of_the_host_is_there(cell: Cell, path: str) -> None:
    assert "No such file" in cell.shell(f"ls {path}")


def test_the_engines_sockets_and_folders_are_not_there(cell: Cell) -> None:
    for path in (cell.engine.socket_path, cell.engine.run_path, cell.engine.data_path):
        assert "No such file" in cell.shell(f"ls -d {path}")


def test_the_session_keyring_is_empty_and_of_its_own(cell: Cell, victim: Cell) -> None:
    assert cell.shell("cat /proc/keys") == ""
    assert cell.call(250, 0, -3, 0) == "EPERM"
    assert cell.call(250, 11, 1, "b:64", 64) == "EPERM"


@pytest.fixture
def sharers(new_cell: Callable[..., Cell]) -> tuple[Cell, Cell]:
    """Two containers of a tenant, of which the second has asked for the processes of the first."""
    first = new_cell("sh", "-c", "sleep 1000", tenant=ADA, Env=["SECRET=hidden"])
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"PidMode": f"container:{first.container_id}"}}
    if first.engine.request("POST", "/containers/create", body, tenant=ADA).status != 201:
        pytest.skip("this engine lets no containers share processes")
    return first, new_cell("sleep", "1000", tenant=ADA, HostConfig={"PidMode": f"container:{first.container_id}"})


def test_containers_that_share_processes_read_nothing_of_the_host_from_them(sharers: tuple[Cell, Cell]) -> None:
    for cell in sharers:
        shown = cell.shell("for p in /proc/[0-9]*; do cat $p/cmdline $p/cgroup $p/mountinfo | tr '\\0' ' '; done 2>/dev/null")
        own = [str(cell.engine.data_path / "engine/containers" / one.container_id) for one in sharers]
        lines = [line for line in shown.splitlines() if str(cell.engine.root) in line]
        assert [line for line in lines if not any(path in line for path in own)] == []
        assert "engine.runtime" not in shown


@pytest.mark.parametrize("of", ["another tenant", "the team", "the host"])
def test_processes_are_shared_with_nobody_else(new_cell: Callable[..., Cell], of: str) -> None:
    victim = new_cell(tenant={"another tenant": BOB, "the team": "blue", "the host": BOB}[of])
    for mode in ("PidMode", "IpcMode"):
        value = "host" if of == "the host" else f"container:{victim.container_id}"
        body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {mode: value}}
        created = victim.engine.request("POST", "/containers/create", body, tenant=ADA)
        if created.status == 201:
            started = victim.engine.request("POST", f"/containers/{created.document['Id']}/start", tenant=ADA)
            victim.engine.request("DELETE", f"/containers/{created.document['Id']}?force=1")
            assert started.status in (400, 403, 404, 409)
        else:
            assert created.status in (400, 403, 404)
