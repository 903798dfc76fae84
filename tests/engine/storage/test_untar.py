"""A layer's tar becomes the folder that an overlay can use, and a hostile one reaches nothing outside of it."""

import os
import stat
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidParameter
from engine.storage.tar_source import TarSource
from engine.storage.untar import extract
from tests.engine.storage.tar_archives import archive, folder, hard_link, member, names_in, symlink

pytestmark = pytest.mark.requires_root

Unpack = Callable[[bytes], int]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The layer's folder, with something beside it that no archive may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("untouched")
    path = tmp_path / "root"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def unpack(root: Path) -> Iterator[Unpack]:
    before = len(names_in(Path("/proc/self/fd")))

    def run(raw: bytes) -> int:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return extract(TarSource(iter([raw])), root_fd)
        finally:
            os.close(root_fd)

    yield run
    assert len(names_in(Path("/proc/self/fd"))) == before
    assert (root.parent / "outside" / "secret").read_text() == "untouched"
    assert names_in(root.parent) == ["outside", "root"]
    assert names_in(root.parent / "outside") == ["secret"]


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path) and os.getxattr(path, "trusted.overlay.opaque") == b"y"


def test_owners_modes_times_and_content_are_kept(root: Path, unpack: Unpack) -> None:
    size = unpack(
        archive(
            [
                folder("./", mode=0o750, mtime=5),
                folder("bin", mode=0o1777, owner=(7, 8), mtime=6),
                member("bin/su", b"elf" * 1000, mode=0o4755, owner=(9, 10), mtime=7),
                symlink("bin/sh", "../../outside/secret"),
                hard_link("bin/doas", "bin/su"),
                member("run/pipe", kind=tarfile.FIFOTYPE, mode=0o622, owner=(1, 2)),
            ]
        )
    )
    assert size == 3000
    su = (root / "bin/su").lstat()
    assert (su.st_uid, su.st_gid, stat.S_IMODE(su.st_mode), su.st_mtime, su.st_nlink) == (9, 10, 0o4755, 7, 2)
    assert (root / "bin/doas").read_bytes() == b"elf" * 1000
    assert (root / "bin/sh").readlink() == Path("../../outside/secret")
    top, binaries, pipe = root.stat(), (root / "bin").stat(), (root / "run/pipe").stat()
    assert (stat.S_IMODE(top.st_mode), top.st_mtime) == (0o750, 5)
    assert (stat.S_IMODE(binaries.st_mode), binaries.st_uid, binaries.st_gid, binaries.st_mtime) == (0o1777, 7, 8, 6)
    assert (stat.S_ISFIFO(pipe.st_mode), stat.S_IMODE(pipe.st_mode), pipe.st_uid) == (True, 0o622, 1)
    assert stat.S_IMODE((root / "run").stat().st_mode) == 0o755


def test_absolute_and_dotted_names_are_taken_from_the_top(root: Path, unpack: Unpack) -> None:
    unpack(archive([member("/a", b"1"), member("./b", b"2"), member("c/./d//e", b"3")]))
    assert [(root / name).read_bytes() for name in ("a", "b", "c/d/e")] == [b"1", b"2", b"3"]


def test_whiteouts_become_the_overlays_own(root: Path, unpack: Unpack) -> None:
    unpack(archive([member(".wh.gone"), member("etc/.wh.motd"), member("srv/.wh..wh..opq"), member("x/.wh..wh.plnk")]))
    assert is_whiteout(root / "gone")
    assert is_whiteout(root / "etc/motd")
    assert is_opaque(root / "srv")
    assert not is_opaque(root / "etc")
    assert names_in(root / "x") == []


def test_a_whiteout_concerns_the_layers_below_and_not_its_own(root: Path, unpack: Unpack) -> None:
    unpack(
        archive(
            [
                member("file", b"new"),
                member(".wh.file"),
                folder("kept"),
                member("kept/x", b"new"),
                member(".wh.kept"),
                member(".wh.later"),
                folder("later"),
                member(".wh.implied"),
                member("implied/x", b"new"),
                member(".wh.refilled"),
                member("refilled", b"new"),
            ]
        )
    )
    assert (root / "file").read_bytes() == (root / "kept/x").read_bytes() == (root / "refilled").read_bytes() == b"new"
    assert [is_opaque(root / name) for name in ("kept", "later", "implied")] == [True, True, True]


def test_a_later_member_replaces_an_earlier_one(root: Path, unpack: Unpack) -> None:
    unpack(
        archive(
            [
                member("a", b"old"),
                member("a", b"new"),
                folder("b"),
                member("b/c/d", b"deep"),
                member("b", b"a file now"),
                symlink("e", "a"),
                folder("e", mode=0o700),
                member("f/g", b"kept"),
                folder("f", mode=0o711),
                symlink("h", "a"),
                member("h", b"own"),
            ]
        )
    )
    assert (root / "a").read_bytes() == b"new"
    assert (root / "b").read_bytes() == b"a file now"
    assert (root / "e").is_dir()
    assert not (root / "e").is_symlink()
    assert (root / "f/g").read_bytes() == b"kept"
    assert (root / "h").read_bytes() == b"own"


def test_a_folder_that_was_replaced_is_walked_anew(root: Path, unpack: Unpack) -> None:
    unpack(archive([member("a/b/x", b"1"), member("a", b"2"), folder("a"), member("a/b/x", b"3")]))
    assert (root / "a/b/x").read_bytes() == b"3"


def test_device_nodes_are_left_out(root: Path, unpack: Unpack) -> None:
    unpack(
        archive(
            [
                member("dev/sda", kind=tarfile.BLKTYPE, device=(8, 0), mode=0o666),
                member("dev/null", kind=tarfile.CHRTYPE, device=(1, 3)),
                member("dev/hide", kind=tarfile.CHRTYPE, device=(0, 0)),
                member("x", b"1"),
            ]
        )
    )
    assert [path.name for path in root.rglob("*")] == ["x"]


def test_only_harmless_attributes_are_kept(root: Path, unpack: Unpack) -> None:
    capability = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0).decode("latin1")
    names = {
        "user.note": "hello",
        "user.overlay.opaque": "y",
        "trusted.overlay.opaque": "y",
        "trusted.overlay.redirect": "/../../etc",
        "security.selinux": "system_u",
        "security.capability": capability,
        "system.advise": "x",
    }
    unpack(archive([member("f", pax={f"SCHILY.xattr.{name}": value for name, value in names.items()})]))
    assert sorted(os.listxattr(root / "f")) == ["security.capability", "user.note"]
    assert os.getxattr(root / "f", "user.note") == b"hello"


def test_a_changed_owner_does_not_cost_file_capabilities_or_set_user_id(root: Path, unpack: Unpack) -> None:
    capability = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0).decode("latin1")
    unpack(archive([member("ping", b"x", mode=0o6755, owner=(5, 6), pax={"SCHILY.xattr.security.capability": capability})]))
    assert stat.S_IMODE((root / "ping").stat().st_mode) == 0o6755
    assert os.listxattr(root / "ping") == ["security.capability"]


HOSTILE = {
    "climbs by name": [member("../outside/secret", b"owned")],
    "climbs within a name": [member("a/../../outside/secret", b"owned")],
    "climbs by a whiteout": [member("../outside/.wh.secret")],
    "whiteout of nothing": [member(".wh.")],
    "whiteout of the folder": [member("a/.wh..")],
    "whiteout of the parent": [member("a/.wh...")],
    "through an absolute link": [symlink("a", "/"), member("a/tmp/owned", b"x")],
    "through a relative link": [symlink("a", "../outside"), member("a/secret", b"owned")],
    "through a link in the middle": [folder("b"), symlink("b/a", "../../outside"), member("b/a/c/secret", b"owned")],
    "through a link to itself": [symlink("a", "a"), member("a/b", b"x")],
    "opaque through a link": [symlink("a", "../outside"), member("a/.wh..wh..opq")],
    "whiteout through a link": [symlink("a", "../outside"), member("a/.wh.secret")],
    "folder through a link": [symlink("a", "../outside"), folder("a/b")],
    "hard link outside": [hard_link("a", "../outside/secret")],
    "hard link through a link": [symlink("l", "../outside"), hard_link("a", "l/secret")],
    "hard link to a folder": [folder("d"), hard_link("a", "d")],
    "hard link to the top": [hard_link("a", "/")],
    "hard link to itself": [member("a", b"x"), hard_link("a", "a")],
    "hard link to what it replaces": [member("a/b", b"x"), hard_link("a", "a/b")],
    "hard link to nothing": [hard_link("a", "b")],
    "hard link to a whiteout": [member(".wh.b"), hard_link("a", "b")],
    "a file below a file": [member("a", b"x"), member("a/b", b"x")],
    "the top as a file": [member("./", b"x")],
    "the top as a link": [symlink(".", "/etc")],
    "a name longer than a path": [member("a/" * 3000, b"x")],
    "a component longer than a name": [member("a" * 300, b"x")],
    "an empty link": [symlink("a", "")],
    "an owner that cannot be": [member("a", pax={"uid": str(2**32 - 1)})],
    "a larger owner": [member("a", pax={"gid": str(2**63)})],
    "a bad capability": [member("a", pax={"SCHILY.xattr.security.capability": "x"})],
    "a huge attribute": [member("a", pax={"SCHILY.xattr.user.x": "y" * 100_000})],
    "a zero byte in a link": [member("a", kind=tarfile.SYMTYPE, link="b", pax={"linkpath": "a\0b"})],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_archive_that_reaches_outside_or_cannot_be_is_refused(
    unpack: Unpack, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    with pytest.raises(InvalidParameter, match="archive"):
        unpack(archive(members))


def test_a_link_that_leads_outside_is_kept_but_never_followed(root: Path, unpack: Unpack) -> None:
    unpack(archive([symlink("etc", "/etc"), folder("x"), symlink("x/up", "../../outside"), member("x/up", b"mine")]))
    assert (root / "etc").readlink() == Path("/etc")
    assert (root / "x/up").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "options", [["--format=gnu"], *(["--format=pax", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))]
)
@pytest.mark.parametrize("parts", [0, 1, 3, 60])
def test_sparse_files_are_written_with_their_holes(
    root: Path, unpack: Unpack, tmp_path_factory: pytest.TempPathFactory, options: list[str], parts: int
) -> None:
    source = tmp_path_factory.mktemp("source") / "sparse"
    with source.open("wb") as file:
        for number in range(parts):
            file.seek(number << 20)
            file.write(b"%04d" % number * 1024)
        file.truncate((parts + 1) << 20)
    raw = subprocess.run(["tar", "-cS", *options, "-C", source.parent, "sparse"], check=True, stdout=subprocess.PIPE).stdout
    unpack(raw)
    assert (root / "sparse").read_bytes() == source.read_bytes()
    assert (root / "sparse").stat().st_blocks * 512 <= (parts + 1) * 8192


def _sparse(numbers: list[int], real_size: int, content: bytes) -> bytes:
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": str(real_size)}
    table = "".join(f"{number}\n" for number in numbers).encode()
    return archive([member("s", table + bytes(-len(table) % 512) + content, pax=pax)])


@pytest.mark.parametrize(
    ("numbers", "real_size", "content"),
    [
        ([1, 0, 10], 5, b"x" * 10),
        ([2, 0, 5, 3, 5], 100, b"x" * 10),
        ([1, 0, 50], 100, b"x" * 10),
        ([1, 0, 5], 100, b"x" * 10),
        ([10**12, 0, 5], 100, b"x" * 10),
        ([10**19, 0, 5], 100, b"x" * 10),
        ([1, 2**62, 10], 2**63, b"x" * 10),
        ([], 100, b""),
    ],
)
def test_a_sparse_map_that_does_not_fit_is_refused(unpack: Unpack, numbers: list[int], real_size: int, content: bytes) -> None:
    with pytest.raises(InvalidParameter, match="archive"):
        unpack(_sparse(numbers, real_size, content))


def test_an_archive_made_by_the_systems_tar_comes_out_the_same(
    root: Path, unpack: Unpack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unpack(subprocess.run(["tar", "-cC", "/etc", "."], check=True, stdout=subprocess.PIPE).stdout)
    listing = "find . -printf '%p %y %m %U %G %s %l %T@\\n' | grep -v ' d ' | LC_ALL=C sort"
    ours, theirs = (
        subprocess.run(listing, shell=True, cwd=path, check=True, capture_output=True).stdout for path in (root, "/etc")
    )
    shown = [line.rsplit(b".", 1)[0] for line in ours.splitlines()]
    assert shown == [line.rsplit(b".", 1)[0] for line in theirs.splitlines()]
