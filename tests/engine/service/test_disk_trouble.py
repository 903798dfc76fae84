"""A disk that is full, refuses, or holds damaged records: what can go on goes on, nothing is half done, nothing is deleted."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.faults import assert_truthful, container_cgroups

pytestmark = pytest.mark.requires_root

SMALL_DISK = "32m"


class OnSmallDisk(EngineDaemon):
    """An engine whose data lie on a small filesystem, in a mount namespace of its own."""

    disk = "none"  # an image would be larger than what is to be full

    def __init__(self) -> None:
        super().__init__(PYTHONPATH=str(Path.cwd()))  # nsenter leaves the working directory
        self.data_path.mkdir()
        script = f"mount -t tmpfs -o size={SMALL_DISK},mode=700 tmpfs {self.data_path} && echo && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        with self._holder.stdout:
            self._holder.stdout.readline()

    def command(self) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", *super().command()]

    @property
    def within(self) -> Path:
        """The data as this process can reach them."""
        return Path(f"/proc/{self._holder.pid}/root{self.data_path}")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left, nor will be given back by what an earlier test threw away."""
        trash = self.within / "engine" / "trash"
        wait_until(lambda: not any(trash.iterdir()), "the trash to be empty")
        filler = self.within / "filler"
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], check=False, capture_output=True)
        try:
            yield
        finally:
            filler.unlink()

    def destroy(self) -> None:
        super().destroy()
        self._holder.kill()
        self._holder.wait()


@pytest.fixture(scope="module")
def small_disk() -> Iterator[OnSmallDisk]:
    engine = OnSmallDisk()
    try:
        engine.start()
        engine.import_busybox()
        yield engine
        engine.remove_containers()
        engine.stop()
        wait_until(lambda: not [left for left in engine.leftovers() if "sleep infinity" not in left], "nothing to be left")
    finally:
        engine.destroy()


def test_a_create_on_a_full_disk_leaves_nothing(small_disk: OnSmallDisk) -> None:
    containers = small_disk.within / "engine" / "containers"
    before = sorted(containers.iterdir())
    with small_disk.full():
        answer = small_disk.request("POST", "/containers/create?name=wanted", {"Image": "busybox"})
        assert (answer.status, "no space left" in answer.message) == (500, True), answer.body
        assert str(small_disk.data_path) not in answer.message
        assert sorted(containers.iterdir()) == before
    assert small_disk.request("POST", "/containers/create?name=wanted", {"Image": "busybox"}).status == 201


def test_a_start_on_a_full_disk_is_undone(small_disk: OnSmallDisk) -> None:
    container_id = small_disk.create("sleep", "600")
    with small_disk.full():
        answer = small_disk.request("POST", f"/containers/{container_id}/start")
        assert (answer.status, "no space left" in answer.message.lower()) == (500, True), answer.body
        state = small_disk.inspect(container_id)["State"]
        assert (state["Status"], "no space left" in state["Error"].lower()) == ("created", True)
        assert container_id not in container_cgroups(small_disk)
    assert small_disk.request("POST", f"/containers/{container_id}/start").status == 204


def test_a_full_disk_loses_output_but_holds_no_container_up(small_disk: OnSmallDisk) -> None:
    container_id = small_disk.run("sh", "-c", "echo before; read go; seq 1 200000; echo after; exit 5", OpenStdin=True)
    wait_until(lambda: small_disk.output(container_id) == b"before\n", "the first line")
    with small_disk.full():
        small_disk.cli("attach", container_id, stdin=b"go\n")
        assert small_disk.wait(container_id) == 5
        state = small_disk.inspect(container_id)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 5)
    assert small_disk.output(container_id).startswith(b"before\n")
    assert small_disk.request("POST", f"/containers/{container_id}/start").status == 204
    assert small_disk.request("DELETE", f"/containers/{container_id}?force=1").status == 204


def test_an_exit_on_a_full_disk_is_written_when_there_is_room_again(small_disk: OnSmallDisk) -> None:
    # Without a network, whose lease would give a little room back when the container ends.
    container_id = small_disk.run("sh", "-c", "read go; exit 6", OpenStdin=True, HostConfig={"NetworkMode": "none"})
    record = small_disk.within / "engine" / "containers" / container_id / "container.json"
    with small_disk.full():
        small_disk.cli("attach", container_id, stdin=b"go\n")
        assert small_disk.wait(container_id) == 6
        assert '"running"' in record.read_text()
    wait_until(lambda: '"exit_code": 6' in record.read_text(), "the record to be written")
    small_disk.kill()
    small_disk.start()
    assert small_disk.inspect(container_id)["State"]["ExitCode"] == 6


def test_a_removal_works_on_a_full_disk_and_a_daemon_starts_on_one(small_disk: OnSmallDisk) -> None:
    container_id, running = small_disk.create("true"), small_disk.run("sleep", "600")
    with small_disk.full():
        assert small_disk.request("DELETE", f"/containers/{container_id}").status == 204
        small_disk.kill()
        small_disk.start()
        assert small_disk.inspect(running)["State"]["Running"] is True
        assert small_disk.request("DELETE", f"/containers/{running}?force=1").status == 204
    assert_truthful_on(small_disk)


def assert_truthful_on(engine: OnSmallDisk) -> None:
    """As ``assert_truthful``, whose look at folders would see the host's, not the engine's."""
    known = {container["Id"] for container in engine.request("GET", "/containers/json?all=1").document}
    folders = {path.name for path in (engine.within / "engine" / "containers").iterdir()}
    assert folders == known


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Nothing can be made, renamed or removed in the folder, by root either."""
    if subprocess.run(["chattr", "+i", str(path)], check=False, capture_output=True).returncode:
        pytest.skip("this filesystem has no immutable folders")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def test_an_unwritable_folder_fails_what_needs_it_and_nothing_else(engine: EngineDaemon) -> None:
    containers = engine.data_path / "engine" / "containers"
    running, stopped = engine.run("sleep", "600"), engine.create("true")
    with immutable(containers):
        answer = engine.request("POST", "/containers/create", {"Image": "busybox"})
        assert (answer.status, str(containers) in answer.message) == (500, False)
        answer = engine.request("DELETE", f"/containers/{stopped}")
        assert (answer.status, str(containers) in answer.message) == (500, False)
        assert engine.inspect(stopped)["State"]["Status"] in ("created", "dead")
        assert engine.cli("exec", running, "echo", "here").stdout == b"here\n"
        assert engine.wait(engine.cli("start", stopped).stdout.decode().strip()) == 0
    assert engine.request("DELETE", f"/containers/{stopped}").status == 204
    assert_truthful(engine)


def _empty(record: Path) -> None:
    record.write_bytes(b"")


def _cut(record: Path) -> None:
    record.write_bytes(record.read_bytes()[:60])


def _garble(record: Path) -> None:
    record.write_bytes(os.urandom(300))


def _mistype(record: Path) -> None:
    record.write_bytes(b'["no record"]')


def _hide(record: Path) -> None:
    """What reading fails on; root may read what a mode forbids."""
    record.unlink()
    record.mkdir()


DAMAGES = {"empty": _empty, "cut off": _cut, "garbled": _garble, "of another shape": _mistype, "unreadable": _hide}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_of_a_container_is_set_aside_and_what_runs_of_it_is_ended(
    engine: EngineDaemon, damage: Callable[[Path], None]
) -> None:
    sound, damaged, stopped = engine.run("sleep", "600"), engine.run("sleep", "600", name="poor"), engine.create("true")
    pid = engine.inspect(damaged)["State"]["Pid"]
    containers = engine.data_path / "engine" / "containers"
    engine.kill()
    for container_id in (damaged, stopped):
        damage(containers / container_id / "container.json")
    engine.start()
    assert [container["Id"] for container in engine.request("GET", "/containers/json?all=1").document] == [sound]
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the unseen container to end")
    wait_until(lambda: damaged not in container_cgroups(engine), "its cgroups to go")
    for container_id in (damaged, stopped):
        assert (containers / f"{container_id}.unreadable" / "container.json").exists()
        assert f"container {container_id} is left out" in engine.log_path.read_text()
    assert engine.cli("exec", sound, "echo", "here").stdout == b"here\n"
    engine.run("true", name="poor")
    engine.kill()
    engine.start()  # nor does the next start touch them
    assert (containers / f"{damaged}.unreadable" / "disk").exists()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_records_of_execs_leases_networks_and_images_hurt_nobody_else(
    start_engine: Callable[..., EngineDaemon], damage: Callable[[Path], None]
) -> None:
    engine = start_engine()
    container_id = engine.run("sleep", "600")
    body = {"Cmd": ["sleep", "600"], "AttachStdout": True}
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", body).document["Id"]
    assert engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    engine.import_busybox("other:latest")
    data = engine.data_path / "engine"
    engine.kill()
    damage(data / "containers" / container_id / "execs" / exec_id / "exec.json")
    damage(next(data.glob(f"networks/*/{container_id}.lease")))
    damage(next(data.glob("networks/*/network.json")))
    damage(max(data.glob("images/*/image.json"), key=lambda path: path.stat().st_mtime_ns))
    engine.start()
    assert engine.inspect(container_id)["State"]["Running"] is True
    assert engine.cli("exec", container_id, "echo", "here").stdout == b"here\n"
    assert engine.request("GET", f"/exec/{exec_id}/json").status == 404
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204
    engine.import_busybox()
    assert engine.wait(engine.run("true")) == 0
    assert_truthful(engine)
