"""A new daemon finds the images as they were, whatever the last one was doing when it ended."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Fault, NotFound
from tests.engine.image.conftest import ADA, ADMIN, BOB, ImportImage, OpenStore
from tests.engine.image.image_archives import docker_archive
from tests.engine.storage.tar_archives import archive, member, names_in

pytestmark = pytest.mark.requires_root


def hexes(path: Path) -> list[str]:
    return [name for name in names_in(path) if len(name) == 64]


def test_everything_is_found_again(open_store: OpenStore, add: ImportImage) -> None:
    first = open_store()
    add(ADA, "shell", b"1", 'CMD ["sh"]', "LABEL a=b")
    add(BOB, None, b"2")
    first.load(io.BytesIO(docker_archive().tar), tenant=ADMIN)
    one, two = open_store(), open_store()
    for tenant in (ADA, BOB, ADMIN):
        assert one.list(tenant) == two.list(tenant)
    assert [tags for _, tags in two.list(ADMIN)] == [["shell:1"], [], ["shell:latest"]]
    assert [path.is_dir() for image, _ in two.list(ADMIN) for path in two.lowers(image)] == [True] * 4


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "record cut": lambda image, _: os.truncate(image / "image.json", 10),
    "record empty": lambda image, _: (image / "image.json").write_bytes(b""),
    "record of another kind": lambda image, _: (image / "image.json").write_bytes(b"[1]"),
    "record with other fields": lambda image, _: (image / "image.json").write_bytes(b'{"image_id": 7}'),
    "record of another image": lambda image, _: (image / "image.json").write_bytes(
        (image / "image.json").read_bytes().replace(b"sha256:", b"sha256:0", 1)
    ),
    "configuration missing": lambda image, _: (image / "config.json").unlink(),
    "configuration changed": lambda image, _: (image / "config.json").write_bytes(b"{}"),
    "layer gone": lambda _, layer: layer.rename(layer.with_name("elsewhere")),
    "layer's record gone": lambda _, layer: (layer / "layer.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_image_is_set_aside_with_a_message_and_the_others_stay(
    open_store: OpenStore,
    add: ImportImage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path, Path], object],
) -> None:
    bad, good = add(ADA, "bad", b"1"), add(ADA, "good", b"2")
    damage(tmp_path / "images" / bad.id[7:], tmp_path / "layers" / bad.config.diff_ids[0][7:])
    store = open_store()
    assert [image.id for image, _ in store.list(ADA)] == [good.id]
    assert f"image {bad.id[7:19]} is damaged" in caplog.text
    assert "load the image again" in caplog.text
    assert len(names_in(tmp_path / "images/damaged")) == 1
    with pytest.raises(NotFound):
        store.get(ADA, "bad")
    raw = archive([member("file", b"1")])
    assert store.import_tar(io.BytesIO(raw), tenant=ADA, reference="bad").config.diff_ids == bad.config.diff_ids


def test_a_half_made_image_and_half_loaded_archives_are_cleared(open_store: OpenStore, add: ImportImage, tmp_path: Path) -> None:
    image = add(ADA, "shell")
    (tmp_path / "images" / image.id[7:] / "image.json").unlink()
    (tmp_path / "images/staging/abc").mkdir(parents=True)
    (tmp_path / "layers/staging/abc").mkdir()
    store = open_store()
    assert (store.list(ADMIN), names_in(tmp_path / "images")) == ([], [])
    assert store.collect(set) == hexes(tmp_path / "layers") == []


def test_a_name_that_was_being_moved_ends_at_the_newer_image(
    open_store: OpenStore, add: ImportImage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = add(ADA, "shell", b"1")
    before = (tmp_path / "images" / old.id[7:] / "image.json").read_bytes()
    new = add(ADA, "shell", b"2")
    (tmp_path / "images" / old.id[7:] / "image.json").write_bytes(before)
    assert {image.id: tags for image, tags in open_store().list(ADA)} == {old.id: [], new.id: ["shell:latest"]}
    assert "was being moved" in caplog.text
    caplog.clear()
    assert open_store().get(ADA, "shell").id == new.id
    assert caplog.text == ""


def test_a_temporary_file_left_by_a_kill_is_no_record(open_store: OpenStore, add: ImportImage, tmp_path: Path) -> None:
    image = add(ADA, "shell")
    (tmp_path / "images" / image.id[7:] / ".image.json.new").write_bytes(b"{half")
    store = open_store()
    assert store.tag(ADA, "shell", "again").id == image.id
    assert names_in(tmp_path / "images" / image.id[7:]) == ["config.json", "image.json"]


def test_a_disk_that_fails_leaves_the_image_as_it_was(
    open_store: OpenStore, add: ImportImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add(ADA, "shell")
    store = open_store()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(Fault, match="no space left"):
            store.tag(ADA, "shell", "again")
        with pytest.raises(Fault, match="no space left"):
            store.import_tar(io.BytesIO(archive([member("y", b"y")])), tenant=ADA, reference="other")
    for one in (store, open_store()):
        assert [(found.id, tags) for found, tags in one.list(ADA)] == [(image.id, ["shell:latest"])]
    assert len(hexes(tmp_path / "layers")) == 1


def test_daemons_killed_at_any_moment_leave_whole_images_only(open_store: OpenStore, tmp_path: Path) -> None:
    program = """
import io, pathlib, sys
from engine.core.tenants import Tenant
from engine.image.store import ImageStore
from engine.storage.layers import LayerStore
from engine.storage.trash import Trash
root = pathlib.Path(sys.argv[1])
trash = Trash(root / "trash")
store = ImageStore(root / "images", LayerStore(root / "layers", trash), trash)
raw = pathlib.Path(sys.argv[2]).read_bytes()
tenant = Tenant("demo", "ada")
print("ready", flush=True)
while True:
    store.load(io.BytesIO(raw), tenant=tenant)
    store.tag(tenant, "shell:1", "other:1")
    store.remove(tenant, "shell:1", force=True, in_use=lambda _: [])
    store.remove(tenant, "other:1", force=True, in_use=lambda _: [])
"""
    made = docker_archive()
    (tmp_path / "saved.tar").write_bytes(made.tar)
    for turn in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(tmp_path / "saved.tar")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            child.wait(timeout=0.013 * turn)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
        store = open_store()
        for image, _ in store.list(ADMIN):
            assert json.loads(store.raw_config(image))["architecture"] == "amd64"
            assert [path.is_dir() for path in store.lowers(image)] == [True, True]
        assert not (tmp_path / "images/damaged").exists()
        wanted = {diff_id[7:] for image, _ in store.list(ADMIN) for diff_id in image.config.diff_ids}
        store.collect(set)
        assert set(hexes(tmp_path / "layers")) == wanted
