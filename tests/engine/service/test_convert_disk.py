"""The command that moves a plain data folder into an image: nothing is lost, and nothing is half done."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.service import convert_disk as conversion
from engine.storage.disk_choice import image_of
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root
ADA = "demo/ada"
DIE = """
import os, pathlib, sys
from engine.service import convert_areas, convert_disk
convert_areas._copy_volume = lambda *_: os.kill(os.getpid(), 9)
convert_disk.convert_disk(pathlib.Path(sys.argv[1]), 4 << 30, print)
"""
MIB = 1 << 20
WRITE = (
    "echo hi > /kept; ln /kept /linked; rm /bin/env; mkdir -p /d/e; touch -d '2001-02-03 04:05:06' /kept;"
    " chown 7:8 /d; chmod 2751 /d; dd if=/dev/zero of=/hole bs=1 count=1 seek=64M 2>/dev/null; echo volume > /data/f; echo said"
)
TELL = (
    "cat /kept /data/f; stat -c '%h %Y' /kept /linked; stat -c '%u %g %a' /d; stat -c %s /hole;"
    " [ $(stat -c %b /hole) -lt 1000 ] && echo sparse; ls /bin/env"
)


@pytest.fixture
def engine() -> Iterator[EngineDaemon]:
    """An engine on plain folders, to be started."""
    daemon = EngineDaemon()
    daemon.disk = "none"
    try:
        yield daemon
    finally:
        if not daemon.socket_path.exists():
            _remove_disks(daemon.data_path)
        daemon.destroy()


def _remove_disks(data_path: Path) -> None:
    for folder in (data_path / ".engine.converting", data_path / ".engine.btrfs.converting.mounted"):
        if folder.is_mount():
            subprocess.run(["umount", folder], check=True)


def _command(engine: EngineDaemon, *more: str) -> list[str]:
    return [sys.executable, "-m", "engine", "disk", "--data", str(engine.data_path), "convert", *(more or ("--disk-size", "4G"))]


def _convert(engine: EngineDaemon, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(engine, *more), capture_output=True, text=True, check=False)


def _filled(engine: EngineDaemon) -> tuple[str, str]:
    """Two containers of a member that have ended: one with files of all kinds, one that tells of them."""
    engine.start()
    engine.import_busybox(tenant=ADA)
    volume = {"HostConfig": {"Mounts": [{"Type": "volume", "Source": "kept", "Target": "/data"}]}}
    first = engine.run("sh", "-c", f"test -e /kept || {{ {WRITE}; }}; {TELL}", tenant=ADA, name="first", **volume)
    engine.wait(first)
    said = engine.output(first)
    engine.stop()
    return first, said.decode()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_containers_images_and_volumes_go_on_after_it_and_limits_hold(engine: EngineDaemon) -> None:
    first, said = _filled(engine)
    done = _convert(engine)
    assert done.returncode == 0, done.stderr
    assert _names(engine.data_path) >= {"engine", "engine.btrfs", "engine.lock"}
    assert not [name for name in _names(engine.data_path) if "convert" in name or "before" in name]
    engine.disk = "auto"
    engine.start()
    assert engine.output(first).decode() == said, "its former output is there"
    assert engine.request("POST", f"/containers/{first}/start", tenant=ADA).status == 204
    engine.wait(first)
    again = engine.output(first).decode().removeprefix(said)
    assert again == said.removeprefix("said\n")
    assert "sparse" in again
    assert engine.request("GET", f"/tenants/{ADA}").document["usage"]["disk"] > 0
    _assert_limits_hold(engine)


def _assert_limits_hold(engine: EngineDaemon) -> None:
    used = engine.request("GET", f"/tenants/{ADA}").document["usage"]["disk"]
    assert engine.request("PUT", f"/tenants/{ADA}", {"disk": used + 8 * MIB}).status == 200
    writer = engine.run(
        "dd", "if=/dev/zero", "of=/data/big", "bs=1M", "count=64", tenant=ADA, HostConfig={"Binds": ["kept:/data"]}
    )
    assert engine.wait(writer) != 0
    assert engine.request("GET", f"/tenants/{ADA}").document["usage"]["disk"] <= used + 8 * MIB


def test_it_waits_for_no_engine_and_no_container(engine: EngineDaemon) -> None:
    engine.start()
    engine.import_busybox()
    assert "stop it" in _convert(engine).stderr
    sleeper = engine.run("sleep", "600")
    engine.stop()
    refused = _convert(engine)
    assert (refused.returncode, "stop the containers" in refused.stderr) == (1, True), refused.stderr
    engine.start()
    engine.request("DELETE", f"/containers/{sleeper}?force=1")
    engine.stop()
    assert not image_of(engine.data_path / "engine").path.exists()


def test_killed_in_the_middle_it_leaves_the_old_folder_and_can_be_repeated(engine: EngineDaemon) -> None:
    first, _ = _filled(engine)
    before = _listing(engine.data_path / "engine")
    dying = subprocess.run([sys.executable, "-c", DIE, str(engine.data_path / "engine")], check=False)
    assert dying.returncode == -signal.SIGKILL
    assert (engine.data_path / ".engine.converting/containers").is_dir(), "it was in the midst of it"
    assert not image_of(engine.data_path / "engine").path.exists()
    assert _listing(engine.data_path / "engine") == before
    done = _convert(engine)
    assert done.returncode == 0, done.stderr
    engine.disk = "auto"
    engine.start()
    assert engine.request("GET", f"/containers/{first}/json", tenant=ADA).status == 200
    assert not [name for name in _names(engine.data_path) if "convert" in name]


def _listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".converted")


def test_killed_after_all_was_copied_it_removes_the_old_folder_the_next_time(
    engine: EngineDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(engine)
    data_path = engine.data_path / "engine"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_finish", die)
    with pytest.raises(KeyboardInterrupt):
        conversion.convert_disk(data_path, 4 << 30, print)
    assert (data_path / "containers").is_dir()
    monkeypatch.undo()
    conversion.convert_disk(data_path, None, print)
    assert list(data_path.iterdir()) == []
    assert not (engine.data_path / "engine.converted").exists()
    engine.disk = "auto"
    engine.start()
    assert len(engine.request("GET", "/containers/json?all=1").document) == 1


def test_what_cannot_be_held_is_refused_before_anything_is_copied(engine: EngineDaemon, tmp_path: Path) -> None:
    (engine.data_path / "engine/images").mkdir(parents=True)
    with (engine.data_path / "engine/images/large").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 600 * MIB)
    with pytest.raises(Unavailable, match="--disk-size"):
        conversion.convert_disk(engine.data_path / "engine", 1 << 30, print)
    assert _names(engine.data_path) == {"engine", "engine.lock"}
    with pytest.raises(Unavailable, match="nothing to convert"):
        conversion.convert_disk(tmp_path / "engine", None, print)
