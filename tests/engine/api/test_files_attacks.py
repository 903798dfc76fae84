"""What a hostile container, archive or client does to the files of the engine's host and to other tenants: nothing."""

import bz2
import gzip
import http.client
import lzma
import os
import signal
import socket
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.api.file_archives import (
    CHARACTER,
    FILE,
    FOLDER,
    HARD_LINK,
    SYMLINK,
    content,
    make_tar,
    member,
    read_members,
    read_tar,
    stat_of,
)
from tests.engine.daemon import Answer, EngineDaemon, UnixConnection, wait_until

pytestmark = pytest.mark.requires_root

ROUNDS = 30
FILE_RIGHTS = 0x8000001F  # chown, dac_override, dac_read_search, fowner, fsetid, setfcap (capabilities(7))


def children(pid: int | None) -> list[int]:
    """Processes of which this one is the parent."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def workers(engine: EngineDaemon) -> list[int]:
    """The supervisor's children that are no container."""
    return [pid for pid in children(engine.supervisor_pid()) if "engine files" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def get(engine: EngineDaemon, name: str, path: str, *, tenant: str = "") -> Answer:
    return engine.request("GET", f"/containers/{name}/archive?path={path}", tenant=tenant)


def put(engine: EngineDaemon, name: str, path: str, body: bytes, *, tenant: str = "") -> Answer:
    return engine.request("PUT", f"/containers/{name}/archive?path={path}", body, tenant=tenant)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host that a container aims at; nothing in it may be read or change."""
    folder = tmp_path / "aim"
    folder.mkdir()
    (folder / "secret").write_text("of the host")
    yield folder
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("secret", "of the host")]


@pytest.fixture
def swapping(engine: EngineDaemon, canary: Path) -> str:
    """A container in which /x is a folder at one moment and a link to the host's folder at the next."""
    script = f"""
    while true; do
      mkdir /x; echo inside > /x/secret; mkdir -p /x/sub; rm -rf /x
      ln -s {canary} /x; rm -f /x
    done"""
    container_id = engine.run("sh", "-c", script)
    wait_until(lambda: engine.request("HEAD", f"/containers/{container_id}/archive?path=/x").status == 200, "the swapping")
    return container_id


def test_a_folder_that_becomes_a_link_while_it_is_read_shows_nothing_of_the_host(engine: EngineDaemon, swapping: str) -> None:
    seen = set()
    for path in ("/x", "/x/", "/x/secret") * (ROUNDS // 3):
        answer = get(engine, swapping, path)
        assert answer.status in (200, 400, 404), answer.body
        if answer.status == 200:
            seen |= {content(answer.body, name) for name, found in read_tar(answer.body).items() if found.type == FILE}
    assert seen <= {b"inside\n", b""}


def test_a_folder_that_becomes_a_link_while_it_is_written_changes_nothing_on_the_host(
    engine: EngineDaemon, swapping: str
) -> None:
    archive = make_tar(*(member(f"sub/{number}", data=b"planted") for number in range(20)), member("secret", data=b"planted"))
    deep = make_tar(*(member(f"x/sub/{number}", data=b"planted") for number in range(20)))
    for _ in range(ROUNDS // 2):
        assert put(engine, swapping, "/x", archive).status in (200, 400, 404)
        assert put(engine, swapping, "/", deep).status in (200, 400, 404)


def test_links_to_the_host_lead_inside_also_in_exports_and_images(engine: EngineDaemon, canary: Path) -> None:
    container_id = engine.run("sh", "-c", f"ln -s {canary} /x; ln -s {canary}/secret /y; mkfifo /z; sleep 600")
    wait_until(lambda: engine.request("HEAD", f"/containers/{container_id}/archive?path=/z").status == 200, "the script")
    found = read_tar(engine.request("GET", f"/containers/{container_id}/export").body)
    assert (found["x"].type, found["y"].type) == (SYMLINK, SYMLINK)
    assert get(engine, container_id, "/x/secret").status == 404
    image_id = engine.request("POST", f"/commit?container={container_id}", {}).document["Id"]
    made = engine.request("POST", "/containers/create", {"Image": image_id}).document["Id"]
    assert stat_of(engine.request("HEAD", f"/containers/{made}/archive?path=/y"))["linkTarget"] == f"{canary}/secret"
    assert get(engine, made, "/y/.").status == 404


HOSTILE = {
    "a name that climbs": (make_tar(member("a/../../../{canary}/n")), 400),
    "an absolute name": (make_tar(member("{canary}/n", data=b"planted")), 200),
    "a file through a link that leads out": (
        make_tar(member("l", SYMLINK, link="{canary}"), member("l/n", data=b"planted")),
        404,
    ),
    "a link to a file outside": (make_tar(member("h", HARD_LINK, link="{canary}/secret")), 400),
    "a hard link that climbs": (make_tar(member("h", HARD_LINK, link="../../../../{canary}/secret")), 400),
    "a hard link through a link": (
        make_tar(member("l", SYMLINK, link="/"), member("h", HARD_LINK, link="l{canary}/secret")),
        400,
    ),
    "a link over a folder, then into it": (
        make_tar(member("d", FOLDER), member("d", SYMLINK, link="{canary}"), member("d/secret", data=b"planted")),
        404,
    ),
    "an owner that cannot be": (make_tar(member("o", uid=2**31)), 200),
    "a name of many folders": (make_tar(member("/".join(["d"] * 3000))), 400),
}


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_writes_nothing_outside(engine: EngineDaemon, canary: Path, what: str, is_running: bool) -> None:
    archive, expected = HOSTILE[what]
    members = [(_aimed(info, str(canary)), b"planted" if info.size else b"") for info in read_members(archive)]
    container_id = (engine.run if is_running else engine.create)("sleep", "60")
    answer = put(engine, container_id, "/tmp", make_tar(*members))
    assert answer.status in (expected, 400), answer.body


def _aimed(info: tarfile.TarInfo, canary: str) -> tarfile.TarInfo:
    info.name, info.linkname = (text.replace("{canary}", canary) for text in (info.name, info.linkname))
    info.pax_headers = {}
    return info


def test_device_nodes_of_an_archive_are_left_out(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "60")
    archive = make_tar(
        member("disk", CHARACTER, devmajor=1, devminor=1, mode=0o666), member("hidden", CHARACTER), member("after")
    )
    assert put(engine, container_id, "/tmp", archive).status == 200
    assert list(read_tar(get(engine, container_id, "/tmp/.").body)) == [".", "./after"]


def test_a_sparse_file_takes_no_more_space_than_it_has(engine: EngineDaemon) -> None:
    container_id = engine.create("true")
    records = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(2**40), "GNU.sparse.map": "0,1"}
    assert put(engine, container_id, "/tmp", make_tar(member("sparse", data=b"x", pax_headers=records))).status == 200
    assert stat_of(engine.request("HEAD", f"/containers/{container_id}/archive?path=/tmp/sparse"))["size"] == 2**40
    assert (
        engine.request("GET", f"/containers/json?all=1&size=1&filters=%7B%22id%22:%5B%22{container_id}%22%5D%7D").document[0][
            "SizeRw"
        ]
        < 2**20
    )


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_archive_is_taken_though_nothing_can_be_loaded_inside(
    engine: EngineDaemon, compress: Callable[[bytes], bytes]
) -> None:
    container_id = engine.run("sleep", "60")
    assert put(engine, container_id, "/tmp", compress(make_tar(member("f", data=b"x" * 5000)))).status == 200
    assert content(get(engine, container_id, "/tmp/f").body, "f") == b"x" * 5000


@pytest.mark.parametrize(
    "path", ["/proc", "/proc/self", "/proc/1/root/", "/proc/1/fd", "/sys", "/dev", "/dev/zero", "/dev/pts", "/tmp/pipe"]
)
def test_files_that_are_none_hold_nothing_up(engine: EngineDaemon, path: str) -> None:
    container_id = engine.run("sh", "-c", "mkfifo /tmp/pipe; sleep 60")
    wait_until(lambda: engine.request("HEAD", f"/containers/{container_id}/archive?path=/tmp/pipe").status == 200, "the pipe")
    answer = get(engine, container_id, path)
    assert answer.status in (200, 400, 404)
    if answer.status == 200:
        assert read_tar(answer.body)
    assert put(engine, container_id, path, make_tar(member("f"))).status >= 400 or path in ("/dev", "/dev/pts")
    assert engine.request("GET", "/_ping").status == 200


def test_links_of_proc_do_not_lead_to_other_roots(engine: EngineDaemon, canary: Path) -> None:
    container_id = engine.run("sleep", "60")
    for path in ("/proc/1/root", "/proc/1/cwd", "/proc/self/root", "/proc/thread-self/root"):
        assert get(engine, container_id, f"{path}{canary}/secret").status >= 400
        assert put(engine, container_id, f"{path}{canary}", make_tar(member("n"))).status >= 400


def test_files_that_change_while_they_are_read_leave_the_archive_whole(engine: EngineDaemon) -> None:
    script = "while true; do head -c 3000000 /dev/zero > /tmp/f; : > /tmp/f; rm -f /tmp/f; mkdir /tmp/f; rmdir /tmp/f; done"
    container_id = engine.run("sh", "-c", script)
    for _ in range(ROUNDS):
        answer = get(engine, container_id, "/tmp")
        assert (answer.status, next(iter(read_tar(answer.body)))) == (200, "tmp")


def check_answered(answer: Answer) -> None:
    """What failed before the first byte has a status instead of a cut stream."""
    if answer.status == 400:
        raise ConnectionError(answer.message)


def test_folders_nested_too_deeply_fail_alone(engine: EngineDaemon) -> None:
    # The shell cannot go deeper than a path is long, but a folder can be moved to its end.
    deep = "i=0; while [ $i -lt 20 ]; do mkdir $n; cd $n; i=$((i+1)); done"
    script = f"n={'d' * 200}; mkdir /tmp/a /tmp/b; cd /tmp/a; {deep}; cd /tmp/b; {deep}; mv /tmp/a .; touch /ready; sleep 60"
    container_id = engine.run("sh", "-c", script)
    wait_until(lambda: engine.request("HEAD", f"/containers/{container_id}/archive?path=/ready").status == 200, "the folders")
    for path in ("archive?path=/tmp", "export", "changes"):
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            check_answered(engine.request("GET", f"/containers/{container_id}/{path}"))
    assert engine.request("POST", f"/commit?container={container_id}", {}).status == 400
    assert engine.inspect(container_id)["State"]["Status"] == "running"


def test_files_exist_for_those_only_who_see_the_container(engine: EngineDaemon) -> None:
    engine.import_busybox(tenant="red/ada")
    container_id = engine.run("sleep", "60", tenant="red/ada")
    for tenant in ("red/bob", "blue", "blue/ada"):
        for method, path in (
            ("HEAD", "archive?path=/"),
            ("GET", "archive?path=/"),
            ("PUT", "archive?path=/"),
            ("GET", "export"),
            ("GET", "changes"),
        ):
            assert engine.request(method, f"/containers/{container_id}/{path}", b"", tenant=tenant).status == 404
        assert engine.request("POST", f"/commit?container={container_id}", {}, tenant=tenant).status == 404
    assert get(engine, container_id, "/etc/passwd", tenant="red").status == 200


class Held:
    """A transfer that stands still in the middle: whoever opened it neither reads nor writes on."""

    def __init__(self, engine: EngineDaemon, name: str, *, into: bool) -> None:
        self.connection = UnixConnection(engine.socket_path)
        if into:
            self.connection.putrequest("PUT", f"/containers/{name}/archive?path=/tmp")
            self.connection.putheader("Transfer-Encoding", "chunked")
            self.connection.endheaders()
            start = make_tar(member("endless", data=b"x" * 2**22))[: 2**21]
            self.connection.send(f"{len(start):x}\r\n".encode() + start + b"\r\n")
        else:
            self.connection.request("GET", f"/containers/{name}/archive?path=/big")
        wait_until(lambda: workers(engine), "a worker")

    def leave(self) -> None:
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


@pytest.fixture
def full(engine: EngineDaemon) -> str:
    """A container that does not run, with a file that is larger than all buffers."""
    return _full(engine)


def _full(engine: EngineDaemon) -> str:
    container_id = engine.run("sh", "-c", "head -c 50000000 /dev/zero > /big")
    engine.wait(container_id)
    return container_id


@pytest.mark.parametrize("into", [True, False], ids=["in", "out"])
def test_a_client_who_leaves_takes_the_worker_along(engine: EngineDaemon, full: str, into: bool) -> None:
    held = Held(engine, full, into=into)
    assert engine.request("GET", "/_ping").status == 200
    held.leave()
    wait_until(lambda: not workers(engine), "the worker to end")
    assert engine.request("POST", f"/containers/{full}/start").status == 204


@pytest.mark.parametrize("into", [True, False], ids=["in", "out"])
def test_a_client_who_takes_its_time_keeps_nobody_from_removing_the_container(
    engine: EngineDaemon, full: str, into: bool
) -> None:
    held = Held(engine, full, into=into)
    assert engine.request("DELETE", f"/containers/{full}?force=1").status == 204
    assert not workers(engine)
    held.connection.close()


def test_the_worker_has_few_rights_and_nobody_inside_sees_it(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "head -c 50000000 /dev/zero > /big; echo ready; sleep 600")
    wait_until(lambda: b"ready" in engine.output(container_id), "the file")
    held = Held(engine, container_id, into=False)
    (pid,) = workers(engine)
    wait_until(lambda: _status(pid)["Seccomp"] == "2", "the worker to be at work")
    status = _status(pid)
    init = engine.inspect(container_id)["State"]["Pid"]
    assert (status["NoNewPrivs"], int(status["Uid"].split()[0]) > 0, len(status["NSpid"].split())) == ("1", True, 1)
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == FILE_RIGHTS
    for namespace, is_shared in (("user", True), ("mnt", True), ("pid", False)):
        assert (Path(f"/proc/{pid}/ns/{namespace}").readlink() == Path(f"/proc/{init}/ns/{namespace}").readlink()) is is_shared
    assert Path(f"/proc/{pid}/environ").stat().st_uid == 0  # not dumpable: it belongs to the host's root
    seen = engine.cli("exec", container_id, "sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
    assert b"cat" in seen
    assert set(seen) <= {b"sleep", b"sh", b"cat"}
    held.leave()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_worker_that_dies_cuts_its_stream_only(engine: EngineDaemon, full: str) -> None:
    held = Held(engine, full, into=False)
    response = held.connection.getresponse()
    for pid in workers(engine):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    held.connection.close()
    assert get(engine, full, "/etc/passwd").status == 200


@pytest.mark.parametrize("victim", ["daemon", "supervisor"])
@pytest.mark.parametrize("into", [True, False], ids=["in", "out"])
def test_after_a_death_in_the_middle_nothing_is_left(start_engine: Callable[..., EngineDaemon], victim: str, into: bool) -> None:
    engine = start_engine()
    container_id = _full(engine)
    held = Held(engine, container_id, into=into)
    left = workers(engine)
    if victim == "daemon":
        engine.kill()
    else:
        os.kill(engine.supervisor_pid() or 0, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "the worker to end")
    held.connection.close()
    if victim == "daemon":
        engine.start()
    wait_until(lambda: get(engine, container_id, "/etc/passwd").status == 200, "the engine to go on")


def test_a_daemon_that_dies_in_a_commit_leaves_no_paused_container(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.run("sh", "-c", "head -c 300000000 /dev/zero > /big; echo ready; sleep 600")
    wait_until(lambda: b"ready" in engine.output(container_id), "the file")
    connection = UnixConnection(engine.socket_path)
    connection.request("POST", f"/commit?container={container_id}", b"{}", {"Content-Type": "application/json"})
    wait_until(lambda: engine.inspect(container_id)["State"]["Paused"], "the pause")
    engine.kill()
    connection.close()
    engine.start()
    assert engine.inspect(container_id)["State"]["Status"] == "running"
    assert [path.name for path in (engine.data_path / "engine" / "layers" / "staging").iterdir()] == []


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_set_user_id_files_belong_to_the_containers_root(engine: EngineDaemon, mode: int) -> None:
    container_id = engine.create("true", tenant="")
    assert put(engine, container_id, "/tmp", make_tar(member("suid", data=b"#!", mode=mode))).status == 200
    upper = engine.data_path / "engine" / "containers" / container_id / "disk" / "upper" / "tmp" / "suid"
    assert stat.S_IMODE(upper.stat().st_mode) == mode
    assert stat.S_IMODE((engine.data_path / "engine").stat().st_mode) == 0o700  # so nobody of the host can run it


def test_a_paused_container_can_be_copied_from_and_into(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "60")
    assert engine.request("POST", f"/containers/{container_id}/pause").status == 204
    assert put(engine, container_id, "/tmp", make_tar(member("f", data=b"x"))).status == 200
    assert content(get(engine, container_id, "/tmp/f").body, "f") == b"x"
    assert engine.request("POST", f"/commit?container={container_id}", {}).status == 201
    assert engine.inspect(container_id)["State"]["Status"] == "paused"
