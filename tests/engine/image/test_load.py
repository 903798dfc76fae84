"""Loading what ``docker save`` and OCI tools write, and refusing what only looks like it."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from engine.core.digests import hex_of, sha256_of
from engine.core.layers import chain_ids
from engine.errors import InvalidParameter
from engine.image.platform import host_architecture
from engine.image.store import ImageStore, LoadedImage
from tests.engine.image.conftest import ADA, ADMIN, BOB, ImportImage, told
from tests.engine.image.image_archives import BASE_LAYER, LAYERS, TOP_LAYER, Made, docker_archive, image_config, oci_archive
from tests.engine.storage.tar_archives import archive, member, names_in, symlink

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(host_architecture() != "amd64", reason="the archives of these tests are of an amd64 image"),
]

ARCHIVES = {
    "docker": docker_archive(),
    "docker without names": docker_archive(tags=None),
    "oci": oci_archive(annotations={"io.containerd.image.name": "hub.example/library/shell:1"}),
    "oci of podman": oci_archive(annotations={"org.opencontainers.image.ref.name": "localhost/shell:1"}),
    "oci with a bare tag": oci_archive(annotations={"org.opencontainers.image.ref.name": "latest"}),
    "oci of several platforms": oci_archive(platforms=("amd64", "arm64", "unknown")),
    "oci with an inner index": oci_archive(platforms=("amd64", "arm64"), is_nested=True),
}
TAGS = {"docker": ("shell:1",), "oci": ("shell:1",), "oci of podman": ("localhost/shell:1",)}


def load(store: ImageStore, raw: bytes) -> list[LoadedImage]:
    return store.load(io.BytesIO(raw), tenant=ADA)


def changed(made: Made, **files: bytes | None) -> bytes:
    """Write the archive with other files; None leaves one out."""
    merged = {**made.files, **files}
    return archive([member(name, content) for name, content in merged.items() if content is not None])


@pytest.mark.parametrize(("kind", "made"), ARCHIVES.items(), ids=ARCHIVES.keys())
def test_an_archive_of_each_kind_is_loaded(store: ImageStore, kind: str, made: Made) -> None:
    (loaded,) = load(store, made.tar)
    assert (loaded.image.id, loaded.image.owner, loaded.tags) == (made.image_id, ADA, TAGS.get(kind, ()))
    assert loaded.image.config.cmd == ("sh",)
    assert loaded.image.size == len(b"#!" * 500) + len(b"base") + len(b"hello")
    assert store.raw_config(loaded.image) == image_config()
    base, top = store.lowers(loaded.image)
    assert (base / "etc/motd").read_bytes() == b"base"
    assert (top / "srv/page").read_bytes() == b"hello"
    assert (top / "etc/motd").is_char_device()
    assert [store.get(ADA, tag).id for tag in loaded.tags] == [made.image_id] * len(loaded.tags)


def test_the_digest_of_a_manifest_is_known_by_the_image_s_name(store: ImageStore) -> None:
    (loaded,) = load(store, ARCHIVES["oci"].tar)
    (name,) = loaded.image.repo_digests
    assert name.startswith("shell@sha256:")
    assert store.get(ADA, name).id == loaded.image.id


def test_an_archive_may_be_compressed_and_ordered_as_it_likes(store: ImageStore) -> None:
    made = docker_archive()
    files = reversed(made.files.items())
    (loaded,) = load(store, gzip.compress(archive([member(name, content) for name, content in files])))
    assert loaded.image.id == made.image_id


def test_an_archive_of_both_kinds_is_read_as_docker_s(store: ImageStore) -> None:
    docker, oci = docker_archive(tags=["from-docker:1"]), ARCHIVES["oci"]
    (loaded,) = load(store, changed(Made({**oci.files, **docker.files}, "")))
    assert loaded.tags == ("from-docker:1",)


def test_a_layer_that_two_images_share_may_be_a_link(store: ImageStore) -> None:
    first, second = docker_archive(layers=[BASE_LAYER], tags=["a:1"]), image_config([BASE_LAYER], author="another")
    manifest = [
        *json.loads(first.files["manifest.json"]),
        {"Config": "second.json", "RepoTags": ["b:1"], "Layers": ["second/layer.tar"]},
    ]
    members = [member(name, content) for name, content in first.files.items() if name != "manifest.json"]
    members += [
        member("second.json", second),
        symlink("second/layer.tar", f"../{hex_of(sha256_of(BASE_LAYER))}/layer.tar"),
        member("manifest.json", json.dumps(manifest).encode()),
    ]
    loaded = load(store, archive(members))
    assert [one.tags for one in loaded] == [("a:1",), ("b:1",)]
    assert loaded[0].image.config.diff_ids == loaded[1].image.config.diff_ids


def test_loading_again_changes_nothing_and_another_tenant_gets_a_claim(store: ImageStore, tmp_path: Path) -> None:
    made = docker_archive()
    for tenant in (ADA, ADA, BOB):
        store.load(io.BytesIO(made.tar), tenant=tenant)
    assert [(image.id, tags) for image, tags in store.list(ADMIN)] == [(made.image_id, ["shell:1"])]
    assert told(store.remove(ADA, "shell:1", force=False, in_use=lambda _: [])) == [
        {"Untagged": "shell:1"},
        {"Deleted": made.image_id},
        *({"Deleted": chain_id} for chain_id in reversed(chain_ids(store.by_id(made.image_id).config.diff_ids))),
    ]
    assert store.get(BOB, "shell:1").id == made.image_id
    assert len([name for name in names_in(tmp_path / "layers") if len(name) == 64]) == 2


def test_the_id_of_another_s_layer_does_not_give_its_files(store: ImageStore, add: ImportImage) -> None:
    secret = add(BOB, "secret", b"the answers").config.diff_ids[0]
    stolen = json.dumps({"architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [secret]}}).encode()
    for layers in ([], [BASE_LAYER]):
        with pytest.raises(InvalidParameter):
            load(store, docker_archive(layers=layers, config=stolen).tar)
    assert store.list(ADA) == []


DOCKER, OCI = docker_archive(), oci_archive()
CONFIG_NAME = f"{hex_of(DOCKER.image_id)}.json"
LAYER_NAME = f"{hex_of(sha256_of(TOP_LAYER))}/layer.tar"
OCI_CONFIG = f"blobs/sha256/{hex_of(OCI.image_id)}"
OCI_MANIFEST = f"blobs/sha256/{hex_of(json.loads(OCI.files['index.json'])['manifests'][0]['digest'])}"


def manifest(**values: object) -> bytes:
    return json.dumps([{**json.loads(DOCKER.files["manifest.json"])[0], **values}]).encode()


REFUSED = {
    "nothing": b"",
    "no archive": b"hello" * 300,
    "a root filesystem": BASE_LAYER,
    "cut short": DOCKER.tar[: len(DOCKER.tar) // 2],
    "a path outside": archive([member("../../evil", b"x")]),
    "table missing": changed(DOCKER, **{"manifest.json": None}),
    "table not JSON": changed(DOCKER, **{"manifest.json": b"{"}),
    "table of another shape": changed(DOCKER, **{"manifest.json": b'["x"]'}),
    "table too deep": changed(DOCKER, **{"manifest.json": b"[" * 200_000}),
    "table too large": changed(DOCKER, **{"manifest.json": b" " * (5 << 20)}),
    "configuration missing": changed(DOCKER, **{CONFIG_NAME: None}),
    "configuration damaged": changed(DOCKER, **{CONFIG_NAME: b"[]"}),
    "configuration outside": changed(DOCKER, **{"manifest.json": manifest(Config="../../../../etc/passwd")}),
    "configuration is a number": changed(DOCKER, **{"manifest.json": manifest(Config=7)}),
    "layer missing": changed(DOCKER, **{LAYER_NAME: None}),
    "layer of other content": changed(DOCKER, **{LAYER_NAME: BASE_LAYER}),
    "layer damaged": changed(DOCKER, **{LAYER_NAME: TOP_LAYER[:600]}),
    "layer outside": changed(DOCKER, **{"manifest.json": manifest(Layers=["/etc/passwd", LAYER_NAME])}),
    "too few layers": changed(DOCKER, **{"manifest.json": manifest(Layers=[LAYER_NAME])}),
    "name that is none": changed(DOCKER, **{"manifest.json": manifest(RepoTags=["Not a name"])}),
    "layer that is a number": changed(DOCKER, **{"manifest.json": manifest(Layers=[7, LAYER_NAME])}),
    "name that is a number": changed(DOCKER, **{"manifest.json": manifest(RepoTags=[7])}),
    "layer that is a link outside": archive(
        [symlink(name, "/etc/passwd") if name == LAYER_NAME else member(name, content) for name, content in DOCKER.files.items()]
    ),
    "layer that links to itself": archive(
        [symlink(name, "layer.tar") if name == LAYER_NAME else member(name, content) for name, content in DOCKER.files.items()]
    ),
    "layer in a linked folder": archive(
        [
            symlink("etc", "/etc"),
            member(CONFIG_NAME, DOCKER.files[CONFIG_NAME]),
            member("manifest.json", manifest(Layers=["etc/passwd", "etc/passwd"])),
        ]
    ),
    "layer that is a pipe": archive(
        [
            member(name, kind=tarfile.FIFOTYPE) if name == LAYER_NAME else member(name, content)
            for name, content in DOCKER.files.items()
        ]
    ),
    "index of another shape": changed(OCI, **{"index.json": b"{}"}),
    "index with a path for a digest": changed(
        OCI, **{"index.json": b'{"manifests":[{"digest":"sha256:../../../../etc/passwd"}]}'}
    ),
    "blob of other content": changed(OCI, **{OCI_CONFIG: OCI.files[OCI_CONFIG] + b" "}),
    "manifest of other content": changed(OCI, **{OCI_MANIFEST: OCI.files[OCI_MANIFEST] + b" "}),
    "another processor's": oci_archive(platforms=("arm64",)).tar,
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_archive_is_refused_and_leaves_nothing(store: ImageStore, tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(InvalidParameter):
        load(store, raw)
    assert store.list(ADMIN) == []
    assert [name for folder in ("images", "layers") for name in names_in(tmp_path / folder) if len(name) == 64] == []


def test_images_before_a_bad_one_stay(store: ImageStore) -> None:
    good = docker_archive()
    both = [*json.loads(good.files["manifest.json"]), {"Config": CONFIG_NAME, "RepoTags": None, "Layers": ["missing.tar"] * 2}]
    with pytest.raises(InvalidParameter, match="the archive has no file"):
        load(store, changed(good, **{"manifest.json": json.dumps(both).encode()}))
    assert [image.id for image, _ in store.list(ADA)] == [good.image_id]


def test_repeated_layers_of_an_image_are_mounted_once(store: ImageStore) -> None:
    (loaded,) = load(store, docker_archive(layers=[BASE_LAYER, TOP_LAYER, BASE_LAYER]).tar)
    assert len(loaded.image.config.diff_ids) == 3
    assert store.lowers(loaded.image) == store.lowers(loaded.image)[:2]
    top, base = store.lowers(loaded.image)
    assert (base / "bin/sh").exists()
    assert (top / "srv/page").exists()


def test_the_layers_mount_as_an_overlay(store: ImageStore, tmp_path: Path) -> None:
    (loaded,) = load(store, docker_archive(layers=LAYERS).tar)
    base, top = store.lowers(loaded.image)
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={top}:{base},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = 'mount -t overlay overlay -o "$1" "$2" && cd "$2" && find . -type f | sort'
    unshare = shutil.which("unshare")
    assert unshare is not None
    command = [unshare, "--mount", "--propagation", "private", "sh", "-c", script, "sh", options, str(tmp_path / "merged")]
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert seen == ["./bin/sh", "./srv/page"]
