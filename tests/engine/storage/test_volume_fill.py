"""Filling a volume from an image's layers."""

import contextlib
import itertools
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import InvalidParameter
from engine.storage.tree import OPAQUE_XATTR
from engine.storage.volume_fill import check_mount_point, fill_volume, open_beneath
from tests.engine.storage.tar_archives import names_in

pytestmark = pytest.mark.requires_root


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    path.mkdir()
    return path


@pytest.fixture
def layer(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        path.mkdir()
        return path

    return make


def put(path: Path, text: str = "", *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, *owner)
    path.chmod(mode)
    return path


def test_contents_come_with_owners_modes_times_links_and_attributes(layer: Callable[[str], Path], volume: Path) -> None:
    base = layer("base")
    data = base / "srv/data"
    file = put(data / "deep/file", "text", mode=0o4751, owner=(33, 44))
    os.setxattr(file, "user.note", b"kept")
    os.utime(file, ns=(10**18, 10**18 + 7))
    os.link(file, data / "same")
    (data / "out").symlink_to("/etc/passwd")
    os.chown(data / "out", 5, 6, follow_symlinks=False)
    os.mkfifo(data / "pipe", 0o640)
    os.chown(data / "pipe", 7, 8)
    (data / "empty").mkdir(mode=0o700)
    os.chown(data, 1000, 1001)
    data.chmod(0o1770)
    os.utime(data, ns=(10**18, 10**18))
    fill_volume([base], "/srv/data", volume)
    copied = (volume / "deep/file").stat()
    assert (copied.st_uid, copied.st_gid, stat.S_IMODE(copied.st_mode), copied.st_mtime_ns) == (33, 44, 0o4751, 10**18 + 7)
    assert ((volume / "deep/file").read_text(), os.getxattr(volume / "deep/file", "user.note")) == ("text", b"kept")
    assert copied.st_ino == (volume / "same").stat().st_ino
    link, pipe, root = (volume / "out").lstat(), (volume / "pipe").lstat(), volume.stat()
    assert (str((volume / "out").readlink()), link.st_uid, link.st_gid) == ("/etc/passwd", 5, 6)
    assert (stat.S_ISFIFO(pipe.st_mode), stat.S_IMODE(pipe.st_mode), pipe.st_uid) == (True, 0o640, 7)
    assert (root.st_uid, root.st_gid, stat.S_IMODE(root.st_mode), root.st_mtime_ns) == (1000, 1001, 0o1770, 10**18)
    assert stat.S_IMODE((volume / "empty").stat().st_mode) == 0o700


def test_all_layers_are_seen_as_one(layer: Callable[[str], Path], volume: Path) -> None:
    base, middle, top = layer("base"), layer("middle"), layer("top")
    put(base / "d/old", "base")
    put(base / "d/gone")
    put(base / "d/sub/hidden")
    put(middle / "d/old", "middle")
    put(middle / "d/sub/seen")
    os.setxattr(middle / "d/sub", OPAQUE_XATTR, b"y")
    put(top / "d/new")
    os.mknod(top / "d/gone", stat.S_IFCHR, 0)
    fill_volume([base, middle, top], "/d", volume)
    assert sorted(str(path.relative_to(volume)) for path in volume.rglob("*")) == ["new", "old", "sub", "sub/seen"]
    assert (volume / "old").read_text() == "middle"
    assert OPAQUE_XATTR not in os.listxattr(volume / "sub")


def test_links_of_the_image_lead_inside_only(layer: Callable[[str], Path], volume: Path, tmp_path: Path) -> None:
    base = layer("base")
    put(tmp_path / "outside/secret")
    put(base / "real/file")
    (base / "link").symlink_to("/real")
    (base / "up").symlink_to("../../../../../real")
    (base / "away").symlink_to(tmp_path / "outside")
    fill_volume([base], "/away", volume)
    assert list(volume.iterdir()) == []
    fill_volume([base], "/link", volume)
    assert (volume / "file").exists()
    (volume / "file").unlink()
    fill_volume([base], "/up", volume)
    assert (volume / "file").exists()


def test_only_an_empty_volume_is_filled(layer: Callable[[str], Path], volume: Path) -> None:
    base = layer("base")
    put(base / "d/file", mode=0o600)
    (base / "d").chmod(0o700)
    put(volume / "mine")
    volume.chmod(0o755)
    fill_volume([base], "/d", volume)
    assert (names_in(volume), stat.S_IMODE(volume.stat().st_mode)) == (["mine"], 0o755)


def test_what_the_image_does_not_have_fills_nothing(layer: Callable[[str], Path], volume: Path) -> None:
    fill_volume([layer("base")], "/not/there", volume)
    check_mount_point([layer("other")], "/not/there")
    assert names_in(volume) == []


def test_a_file_is_no_place_for_a_volume(layer: Callable[[str], Path], volume: Path) -> None:
    base = layer("base")
    put(base / "bin/program")
    with pytest.raises(InvalidParameter, match="it is a file in the image"):
        fill_volume([base], "/bin/program", volume)
    with pytest.raises(InvalidParameter, match="it is a file in the image"):
        check_mount_point([base], "/bin/program")


def test_device_nodes_are_left_out_and_holes_stay_holes(layer: Callable[[str], Path], volume: Path) -> None:
    base = layer("base")
    sparse = put(base / "d/sparse")
    os.truncate(sparse, 2**30)
    with sparse.open("r+b") as file:
        file.seek(2**29)
        file.write(b"middle")
    os.mknod(base / "d/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    fill_volume([base], "/d", volume)
    copied = (volume / "sparse").stat()
    assert (names_in(volume), copied.st_size, copied.st_blocks * 512 < 2**20) == (["sparse"], 2**30, True)
    with (volume / "sparse").open("rb") as file:
        file.seek(2**29)
        assert file.read(6) == b"middle"


def test_folders_deeper_than_a_path_is_long_are_copied(layer: Callable[[str], Path], volume: Path) -> None:
    base = layer("base")
    (base / "d").mkdir()
    folder = os.open(base / "d", os.O_RDONLY)
    for _ in range(60):
        os.mkdir("n" * 100, dir_fd=folder)
        below = os.open("n" * 100, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    fill_volume([base], "/d", volume)
    folder = os.open(volume, os.O_RDONLY)
    for _ in range(60):
        below = os.open("n" * 100, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    assert [entry.name for entry in os.scandir(folder)] == ["end"]
    os.close(folder)


@pytest.mark.parametrize(("subpath", "is_allowed"), [("in", True), ("rel", True), ("abs", False), ("up", False), ("no", False)])
def test_a_part_of_a_volume_is_beneath_it(volume: Path, subpath: str, is_allowed: bool) -> None:
    put(volume / "in/file")
    (volume / "rel").symlink_to("in")
    (volume / "abs").symlink_to("/in")
    (volume / "up").symlink_to("../../../etc")
    if is_allowed:
        with open_beneath(volume, subpath) as folder:
            assert [entry.name for entry in os.scandir(folder)] == ["file"]
    else:
        with pytest.raises(InvalidParameter, match="cannot use subpath"), open_beneath(volume, subpath):
            pass


def test_a_part_of_a_volume_is_filled_by_itself(layer: Callable[[str], Path], volume: Path) -> None:
    base = layer("base")
    put(base / "d/file")
    put(volume / "other")
    (volume / "part").mkdir()
    fill_volume([base], "/d", volume, "part")
    assert names_in(volume) == ["other", "part"]
    assert names_in(volume / "part") == ["file"]


def test_a_volume_that_changes_meanwhile_leads_nowhere_outside(layer: Callable[[str], Path], tmp_path: Path) -> None:
    """A container that has the volume puts links in the place of folders, files and pipes as they appear."""
    base, outside = layer("base"), tmp_path / "outside"
    outside.mkdir(mode=0o700)
    secret = put(outside / "secret", "the host's", mode=0o600, owner=(12, 13))
    for number in range(60):
        put(base / f"d/folder{number}/secret", "the image's", mode=0o777, owner=(1, 1))
        (base / f"d/folder{number}/link").symlink_to("secret")
        os.mkfifo(base / f"d/folder{number}/pipe", 0o777)
    stop = threading.Event()
    volumes = [tmp_path / f"volume{turn}" for turn in range(15)]
    current = volumes[:1]

    def attack() -> None:
        for number in itertools.cycle(range(60)):
            if stop.is_set():
                return
            volume = current[0]
            with contextlib.suppress(OSError):
                (volume / f"folder{number}").rename(volume / f"moved{number}")
                (volume / f"folder{number}").symlink_to(outside)
            for name in ("pipe", "link"):
                with contextlib.suppress(OSError):
                    (volume / f"moved{number}/{name}").unlink()
                    (volume / f"moved{number}/{name}").symlink_to(secret)

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    try:
        for volume in volumes:
            volume.mkdir()
            current[0] = volume
            fill_volume([base], "/d", volume)
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join()
    status = secret.stat()
    assert (secret.read_text(), stat.S_IMODE(status.st_mode), status.st_uid) == ("the host's", 0o600, 12)
    assert (names_in(outside), stat.S_IMODE(outside.stat().st_mode)) == (["secret"], 0o700)
