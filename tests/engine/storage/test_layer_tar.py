"""The tar of a layer comes back byte for byte, whatever its members did to each other."""

import hashlib
import io
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from engine.errors import Fault, NotFound
from engine.storage.layers import LayerStore
from tests.engine.storage.tar_archives import END, archive, folder, hard_link, header, member, names_in, padded, symlink

pytestmark = pytest.mark.requires_root

RANDOM = random.Random(0).randbytes(3_000_000)

TARS = {
    "files": archive([folder("d"), member("d/f", b"x" * 1000), member("empty"), symlink("l", "d/f"), hard_link("h", "d/f")]),
    "a large file": archive([member("f", RANDOM)]),
    "a file twice": archive([member("f", b"first"), member("f", b"second"), member("f", b"third")]),
    "a file replaced by a link": archive([member("f", b"first"), symlink("f", "g")]),
    "a file replaced by a hard link": archive([member("f", b"first"), member("g", b"other"), hard_link("f", "g")]),
    "a linked file replaced": archive([member("f", b"first"), hard_link("g", "f"), member("f", b"x"), member("g", b"y")]),
    "a file replaced by a folder": archive([member("f", b"first"), folder("f"), member("f/f", b"second")]),
    "a folder replaced by a file": archive(
        [folder("d"), folder("d/e"), member("d/e/f", b"first"), member("d/g", b"x"), member("d", b"second")]
    ),
    "to and fro": archive(
        [
            *[item for n in range(5) for item in (folder("a"), member("a/b", b"%d" % n), member("a/c", b"c%d" % n))],
            *[item for n in range(5) for item in (member("a", b"as a file %d" % n), folder("a"), member("a/b", b"x%d" % n))],
        ]
    ),
    "a replaced folder within one": archive(
        [member("a/b/c", b"1"), member("a/b", b"2"), member("a/b2", b"3"), member("a", b"4"), symlink("z", "a")]
    ),
    "whiteouts": archive(
        [member("d/f", b"x"), member("d/.wh.f", b"with content"), member("d/.wh..wh..opq"), member("d/f", b"y"), member(".wh.g")]
    ),
    "a whiteout that becomes a file": archive([member(".wh.f"), member("f", b"x"), member(".wh.d"), folder("d")]),
    "device nodes": archive([member("null", kind=tarfile.CHRTYPE, device=(1, 3)), member("disk", kind=tarfile.BLKTYPE)]),
    "a whiteout by its number": archive([member("w", kind=tarfile.CHRTYPE, device=(0, 0)), member("f", b"x")]),
    "gnu long names": archive([member("n" * 200 + "/" + "m" * 200, b"x"), symlink("l", "t" * 300)], tarfile.GNU_FORMAT),
    "pax records": archive([member("é" * 100, b"x", mtime=1.5, pax={"SCHILY.xattr.user.a": "b", "comment": "kept"})]),
    "global records": header(b"g", kind=b"g", size=b"00000000013\0") + padded(b"11 a=bcdef\n") + archive([member("x", b"y")]),
    "padding that is not zeros": header(b"f", size=b"00000000003\0") + b"abc" + RANDOM[:509] + END,
    "something behind the end": archive([member("f", b"x")]) + RANDOM + bytes(5_000_000) + b"last",
    "no end": archive([member("f", b"x")])[:1024],
    "half an end": archive([member("f", b"x")])[:1024] + bytes(512),
    "nothing": END,
    "zeros": archive([member("f", bytes(5_000_000)), member("g", b"x" + bytes(100_000) + b"y")]),
    "a file without its folder": archive([member("a/b/c/d", b"x"), member("a//b/./e", b"y"), member("/abs", b"z")]),
    "content where none belongs": header(b"d/", kind=b"5", size=b"00000000000\0") + archive([member(".wh.x", b"y" * 700)]),
    "a socket's kind of nothing": archive([member("p", kind=tarfile.FIFOTYPE), member("p", b"x")]),
}


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


def given_back(store: LayerStore, raw: bytes) -> bytes:
    layer = store.unpack(io.BytesIO(raw))
    assert store.tar_size(layer.diff_id) == len(raw)
    with store.open_tar(layer.diff_id) as tar:
        return tar.read()


@pytest.mark.parametrize("raw", TARS.values(), ids=TARS.keys())
def test_a_tar_comes_back_as_it_was(store: LayerStore, raw: bytes) -> None:
    before = len(names_in(Path("/proc/self/fd")))
    assert given_back(store, raw) == raw
    assert len(names_in(Path("/proc/self/fd"))) == before


@pytest.mark.parametrize(
    "options", [["--format=gnu"], *(["--format=pax", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))]
)
@pytest.mark.parametrize("parts", [0, 1, 3, 60])
def test_a_sparse_tar_comes_back_as_it_was(store: LayerStore, tmp_path: Path, options: list[str], parts: int) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        for number in range(parts):
            file.seek(number << 20)
            file.write(b"%04d" % number * 1024)
        file.truncate((parts + 1) << 20)
    raw = subprocess.run(["tar", "-cS", *options, "-C", tmp_path, "sparse"], check=True, stdout=subprocess.PIPE).stdout
    assert given_back(store, raw) == raw


def any_member(chance: random.Random, name: str) -> tuple[tarfile.TarInfo, bytes]:
    kind = chance.randrange(3)
    if kind == 0:
        return folder(name)
    return symlink(name, "x") if kind == 1 else member(name, chance.randbytes(chance.choice([0, 1, 600])))


def test_random_members_come_back_in_whatever_order_they_replace_each_other(store: LayerStore) -> None:
    chance = random.Random(1)
    names = ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b", "b/a/a"]
    taken = 0
    for _ in range(300):
        members = [any_member(chance, chance.choice(names)) for _ in range(chance.randrange(1, 15))]
        raw = archive(members)
        try:
            back = given_back(store, raw)
        except Exception as error:  # a file below a file
            assert "Not a directory" in str(error)
            continue
        taken += 1
        assert back == raw
    assert taken > 50


@pytest.mark.parametrize("size", [1, 511, 65536, 1 << 20])
def test_it_is_read_in_pieces_of_any_size(store: LayerStore, size: int) -> None:
    raw = archive([member(f"f{number}", RANDOM[:number]) for number in range(0, 30_000, 997)])
    diff_id = store.unpack(io.BytesIO(raw)).diff_id
    with store.open_tar(diff_id) as tar:
        pieces = list(iter(lambda: tar.read(size), b""))
    assert b"".join(pieces) == raw
    assert {len(piece) for piece in pieces[:-1]} <= {size}


@pytest.mark.parametrize(
    "damage", ["file changed", "file cut", "file gone", "recipe cut", "recipe changed", "recipe gone", "no moves"]
)
def test_a_damaged_layer_is_told_of_before_its_end_and_stays_usable(store: LayerStore, tmp_path: Path, damage: str) -> None:
    raw = archive([folder("d"), member("d/f", RANDOM)])
    diff_id = store.unpack(io.BytesIO(raw)).diff_id
    place = store.path(diff_id).parent
    spoil(place, damage)
    again = LayerStore(tmp_path / "layers")
    read = b""
    with pytest.raises(Fault, match=r"layer sha256:\w+ is damaged"), again.open_tar(diff_id) as tar:
        while piece := tar.read(1 << 16):
            read += piece
    assert len(read) < len(raw)
    assert str(tmp_path) not in read.decode(errors="replace")
    assert again.path(diff_id).is_dir()


def spoil(place: Path, damage: str) -> None:
    if damage == "file changed":
        (place / "diff/d/f").write_bytes(b"x" + RANDOM[1:])
    elif damage == "file cut":
        os.truncate(place / "diff/d/f", 5)
    elif damage == "file gone":
        (place / "diff/d/f").unlink()
    elif damage == "recipe cut":
        os.truncate(place / "tar.recipe", 20)
    elif damage == "recipe changed":
        whole = (place / "tar.recipe").read_bytes()
        (place / "tar.recipe").write_bytes(whole[:30] + bytes(8) + whole[38:])
    else:
        (place / ("tar.recipe" if damage == "recipe gone" else "tar.moves")).unlink()


def test_a_layer_that_is_read_is_not_removed(store: LayerStore) -> None:
    diff_id = store.unpack(io.BytesIO(TARS["files"])).diff_id
    store.release([diff_id])
    with store.open_tar(diff_id) as tar:
        assert not store.remove(diff_id)
        assert tar.read() == TARS["files"]
    assert store.remove(diff_id)
    with pytest.raises(NotFound, match="no such layer"), store.open_tar(diff_id):
        pass


def test_a_link_in_a_layer_is_not_followed_when_its_tar_is_read(store: LayerStore, tmp_path: Path) -> None:
    """Nobody but the engine writes there; should a file have become a link, it shows nothing of the host."""
    (tmp_path / "secret").write_bytes(b"x" * 5)
    diff_id = store.unpack(io.BytesIO(archive([folder("d"), member("d/f", b"y" * 5)]))).diff_id
    (store.path(diff_id) / "d/f").unlink()
    (store.path(diff_id) / "d/f").symlink_to(tmp_path / "secret")
    with pytest.raises(Fault, match="is damaged"), store.open_tar(diff_id) as tar:
        tar.read()


def test_the_recipe_of_many_files_is_small(store: LayerStore) -> None:
    raw = archive([member(f"usr/share/doc/package-{number}/copyright", b"x") for number in range(3000)], tarfile.USTAR_FORMAT)
    diff_id = store.unpack(io.BytesIO(raw)).diff_id
    assert (store.path(diff_id).parent / "tar.recipe").stat().st_size < len(raw) / 20
    with store.open_tar(diff_id) as tar:
        assert hashlib.sha256(tar.read()).hexdigest() == diff_id[7:]
