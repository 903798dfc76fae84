"""Archives that the engine writes: what is in them, and that they come back."""

import gzip
import io
import json
import lzma
import tarfile
from pathlib import Path

import pytest

from engine.core.digests import hex_of, sha256_of
from engine.core.tenants import Tenant
from engine.errors import Fault, NotFound
from engine.image.loading import LayerProgress
from engine.image.store import ImageStore
from tests.engine.image.conftest import ADA, ADMIN, BOB, OUTSIDER, ImportImage, OpenStore
from tests.engine.image.image_archives import BASE_LAYER, LAYERS, TOP_LAYER, docker_archive
from tests.engine.storage.tar_archives import archive, member, names_in

pytestmark = pytest.mark.requires_root


def save(store: ImageStore, *names: str, tenant: Tenant = ADA) -> bytes:
    opened = store.open_archive(tenant, names)
    try:
        return b"".join(iter(opened.next_block, b""))
    finally:
        opened.close()


def files_of(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as opened:
        found = [(one.name, opened.extractfile(one)) for one in opened if one.isfile()]
        return {name: file.read() for name, file in found if file}


@pytest.fixture
def two(store: ImageStore) -> ImageStore:
    """Two images that share a layer."""
    store.load(io.BytesIO(docker_archive(tags=["shell:1", "hub.example/team/shell:2"]).tar), tenant=ADA)
    store.load(io.BytesIO(docker_archive(layers=[BASE_LAYER], tags=["base:1"]).tar), tenant=ADA)
    return store


def test_docker_and_oci_readers_find_their_tables(two: ImageStore) -> None:
    files = files_of(save(two, "shell:1", "base:1"))
    image, base = two.get(ADA, "shell:1"), two.get(ADA, "base:1")
    blob = {diff_id: f"blobs/sha256/{hex_of(diff_id)}" for diff_id in (*image.config.diff_ids, image.id, base.id)}
    docker = json.loads(files["manifest.json"])
    assert [(one["Config"], one["RepoTags"], one["Layers"]) for one in docker] == [
        (blob[image.id], ["shell:1"], [blob[diff_id] for diff_id in image.config.diff_ids]),
        (blob[base.id], ["base:1"], [blob[diff_id] for diff_id in base.config.diff_ids]),
    ]
    assert json.loads(files["repositories"]) == {
        "shell": {"1": hex_of(image.config.diff_ids[-1])},
        "base": {"1": hex_of(base.config.diff_ids[-1])},
    }
    entries = json.loads(files["index.json"])["manifests"]
    assert [entry["annotations"]["io.containerd.image.name"] for entry in entries] == [
        "hub.example/library/shell:1",
        "hub.example/library/base:1",
    ]
    manifest = json.loads(files[f"blobs/sha256/{hex_of(entries[0]['digest'])}"])
    assert [one["digest"] for one in manifest["layers"]] == list(image.config.diff_ids)
    assert [files[blob[one["digest"]]] for one in manifest["layers"]] == list(LAYERS)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert sha256_of(content) == f"sha256:{name.rpartition('/')[2]}"


def test_the_same_images_give_the_same_bytes_and_each_layer_once(two: ImageStore) -> None:
    raw = save(two, "shell:1", "base:1")
    assert raw == save(two, "shell:1", "base:1")
    with tarfile.open(fileobj=io.BytesIO(raw)) as opened:
        members = opened.getmembers()
    assert len({one.name for one in members}) == len(members)
    assert {(one.mtime, one.uid, one.uname) for one in members} == {(0, 0, "")}


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        pytest.param(["shell:1"], [["shell:1"]], id="a tag"),
        pytest.param(["team/shell"], [["team/shell:2"]], id="all tags of a repository"),
        pytest.param(["team/shell:2", "shell:1", "shell:1"], [["team/shell:2", "shell:1"]], id="both, in that order"),
        pytest.param(["{id}"], [None], id="an id"),
        pytest.param(["{id}", "shell:1"], [["shell:1"]], id="an id and a tag"),
        pytest.param(["base:1", "shell:1"], [["base:1"], ["shell:1"]], id="two images"),
    ],
)
def test_an_archive_has_the_names_that_were_asked_for(two: ImageStore, names: list[str], tags: list[list[str] | None]) -> None:
    image_id = two.get(ADA, "shell:1").id
    files = files_of(save(two, *(name.format(id=image_id) for name in names)))
    assert [one["RepoTags"] for one in json.loads(files["manifest.json"])] == tags


def test_what_a_tenant_does_not_see_is_not_saved(two: ImageStore) -> None:
    for name in ("shell:1", "shell", two.get(ADA, "shell:1").id, two.get(ADA, "shell:1").id[7:19]):
        with pytest.raises(NotFound, match="No such image"):
            save(two, name, tenant=OUTSIDER)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress], ids=["plain", "gzip", "xz"])
def test_what_is_saved_comes_back_equal(two: ImageStore, pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    before = {image.id: (tags, two.raw_config(image)) for image, tags in two.list(ADA)}
    raw = save(two, "shell:1", "team/shell:2", "base:1")
    for image_id in before:
        two.remove(ADA, image_id, force=True, in_use=lambda _: [])
    assert [name for name in names_in(tmp_path / "layers") if len(name) == 64] == []
    two.load(io.BytesIO(pack(raw)), tenant=ADA)
    assert {image.id: (tags, two.raw_config(image)) for image, tags in two.list(ADA)} == before
    assert raw == save(two, "shell:1", "team/shell:2", "base:1")


def test_layers_that_are_there_are_not_written_again(two: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = save(two, "shell:1", "base:1")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a layer is written")

    monkeypatch.setattr("engine.storage.layers.extract", refuse)
    told: list[object] = []
    assert len(two.load(io.BytesIO(raw), tenant=BOB, tell=told.append)) == 2
    assert not any(isinstance(one, LayerProgress) for one in told)


def test_an_archive_that_is_being_written_keeps_its_layers(two: ImageStore, tmp_path: Path) -> None:
    opened = two.open_archive(ADA, ["shell:1"])
    blocks = [opened.next_block()]
    two.remove(ADA, two.get(ADA, "shell:1").id, force=True, in_use=lambda _: [])
    two.collect(set)
    blocks += iter(opened.next_block, b"")
    assert files_of(b"".join(blocks))[f"blobs/sha256/{hex_of(sha256_of(TOP_LAYER))}"] == TOP_LAYER
    opened.close()
    assert hex_of(sha256_of(TOP_LAYER)) not in names_in(tmp_path / "layers")


def test_a_layer_that_was_changed_on_the_disk_is_not_given_out(two: ImageStore) -> None:
    file = two.lowers(two.get(ADA, "shell:1"))[-1] / "srv/page"
    file.write_bytes(b"olleh, and more")
    with pytest.raises(Fault):
        save(two, "shell:1")


def test_an_image_without_layers_or_names_is_saved_too(store: ImageStore, open_store: OpenStore) -> None:
    made = docker_archive(layers=[], tags=None)
    store.load(io.BytesIO(made.tar), tenant=ADA)
    raw = save(store, made.image_id)
    assert "repositories" not in files_of(raw)
    assert [one.image.id for one in open_store().load(io.BytesIO(raw), tenant=BOB)] == [made.image_id]


def test_members_of_a_team_keep_their_own_names_in_the_team_s_archive(store: ImageStore, add: ImportImage) -> None:
    add(BOB, "tool:bob", b"1")
    add(ADMIN, "tool:all", b"2")
    docker = json.loads(files_of(save(store, "tool", tenant=ADA))["manifest.json"])
    assert [one["RepoTags"] for one in docker] == [["tool:all"]]


def test_progress_tells_of_layers_that_are_stored(store: ImageStore) -> None:
    told: list[object] = []
    made = docker_archive()
    (loaded,) = store.load(io.BytesIO(made.tar), tenant=ADA, tell=told.append)
    assert told[-1] == loaded
    ends = {one.short_id: (one.current, one.total) for one in told if isinstance(one, LayerProgress)}
    assert ends == {hex_of(sha256_of(raw))[:12]: (len(raw), len(raw)) for raw in LAYERS}


def test_a_large_member_that_is_nothing_is_passed_over(store: ImageStore) -> None:
    made = docker_archive()
    members = [member("noise", b"\x01" * (6 << 20)), *(member(name, content) for name, content in made.files.items())]
    (loaded,) = store.load(io.BytesIO(archive(members)), tenant=ADA)
    assert loaded.image.id == made.image_id
