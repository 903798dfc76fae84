"""Layers are stored once, whole or not at all."""

import gzip
import hashlib
import io
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.errors import InvalidParameter, NotFound
from engine.storage.layers import Layer, LayerStore
from tests.engine.storage.tar_archives import archive, folder, member, names_in

pytestmark = pytest.mark.requires_root

TAR = archive([folder("bin"), member("bin/sh", b"#!" * 2000, mode=0o755)])
DIFF_ID = f"sha256:{hashlib.sha256(TAR).hexdigest()}"
OTHER = archive([member("x", b"other")])


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


def unpack(store: LayerStore, raw: bytes = TAR, expected: str = "") -> Layer:
    return store.unpack(io.BytesIO(raw), expected=expected)


def stored(root: Path) -> list[str]:
    return [name for name in names_in(root / "layers") if len(name) == 64]


def test_a_layer_is_named_by_the_hash_of_its_plain_tar(store: LayerStore, tmp_path: Path) -> None:
    assert unpack(store, gzip.compress(TAR)) == Layer(DIFF_ID, 4000)
    assert (store.path(DIFF_ID) / "bin/sh").read_bytes() == b"#!" * 2000
    assert stored(tmp_path) == [DIFF_ID[7:]]
    assert names_in(tmp_path / "layers/staging") == []


def test_the_same_layer_is_stored_once_however_it_comes(store: LayerStore, tmp_path: Path) -> None:
    unpack(store)
    inode = store.path(DIFF_ID).stat().st_ino
    unpack(store, gzip.compress(TAR))
    unpack(store, expected=DIFF_ID)
    assert store.path(DIFF_ID).stat().st_ino == inode
    assert names_in(tmp_path / "layers/staging") == []


def test_padding_belongs_to_the_diff_id(store: LayerStore) -> None:
    assert unpack(store, TAR + bytes(10240)).diff_id == f"sha256:{hashlib.sha256(TAR + bytes(10240)).hexdigest()}"


@pytest.mark.parametrize("is_stored", [False, True])
def test_content_that_is_not_what_was_announced_is_refused(store: LayerStore, tmp_path: Path, is_stored: bool) -> None:
    if is_stored:
        unpack(store)
        store.release([DIFF_ID])
    with pytest.raises(InvalidParameter, match="its image says"):
        unpack(store, OTHER, expected=DIFF_ID)
    assert stored(tmp_path) == ([DIFF_ID[7:]] if is_stored else [])
    assert names_in(tmp_path / "layers/staging") == []
    assert store.remove(DIFF_ID) is is_stored


@pytest.mark.parametrize("raw", [b"", b"no archive", TAR[:700], gzip.compress(TAR)[:-9], archive([member("../x", b"")])])
def test_a_bad_archive_leaves_nothing(store: LayerStore, tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(InvalidParameter):
        unpack(store, raw)
    assert stored(tmp_path) == names_in(tmp_path / "layers/staging") == []


def test_a_layer_is_removed_once_nobody_holds_it(store: LayerStore, tmp_path: Path) -> None:
    unpack(store)
    unpack(store)
    for expected in (False, False, True, False):
        assert store.remove(DIFF_ID) is expected
        store.release([DIFF_ID])
    assert stored(tmp_path) == []
    with pytest.raises(NotFound, match="no such layer"):
        store.path(DIFF_ID)
    with pytest.raises(NotFound, match="no such layer"):
        store.hold([DIFF_ID])


def test_collecting_spares_what_is_wanted_or_held(store: LayerStore) -> None:
    kept, held, loose = (unpack(store, archive([member(name, b"x")])).diff_id for name in "abc")
    store.release([kept, loose])
    assert store.collect({kept}) == [loose]
    assert (store.has(kept), store.has(held), store.has(loose)) == (True, True, False)


def test_many_may_bring_the_same_layer_at_once(store: LayerStore, tmp_path: Path) -> None:
    found: list[Layer] = []
    threads = [threading.Thread(target=lambda: found.append(unpack(store))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Layer(DIFF_ID, 4000)] * 8
    assert stored(tmp_path) == [DIFF_ID[7:]]


def test_a_new_daemon_finds_the_layers(store: LayerStore, tmp_path: Path) -> None:
    unpack(store)
    assert LayerStore(tmp_path / "layers").get(DIFF_ID) == Layer(DIFF_ID, 4000)


@pytest.mark.parametrize("damage", ["record missing", "record cut", "record of another kind", "files missing"])
def test_a_damaged_layer_is_put_away_with_a_message(
    store: LayerStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    unpack(store)
    place = store.path(DIFF_ID).parent
    if damage == "record missing":
        (place.parent / "layer.json").unlink()
    elif damage == "record cut":
        (place.parent / "layer.json").write_bytes(b'{"si')
    elif damage == "record of another kind":
        (place.parent / "layer.json").write_bytes(json.dumps([]).encode())
    else:
        (place / "diff").rename(place / "elsewhere")
    again = LayerStore(tmp_path / "layers")
    assert not again.has(DIFF_ID)
    assert "is damaged and put away" in caplog.text
    assert unpack(again).diff_id == DIFF_ID


def test_a_daemon_killed_while_unpacking_leaves_no_half_layer(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from engine.storage.layers import LayerStore;"
        " LayerStore(pathlib.Path(sys.argv[1])).unpack(sys.stdin.buffer)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path / "layers"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    try:
        child.stdin.write(archive([member(f"file{number}", b"x" * 5000) for number in range(1000)])[: 3 << 20])
        child.stdin.flush()
        staging = tmp_path / "layers/staging"
        while not (staging.is_dir() and any(staging.glob("*/disk/diff/file*"))):
            assert child.poll() is None
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()
    assert names_in(staging) != []
    store = LayerStore(tmp_path / "layers")
    assert stored(tmp_path) == names_in(staging) == []
    assert unpack(store).diff_id == DIFF_ID
