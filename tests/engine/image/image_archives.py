"""Archives of images for the tests, as docker and OCI tools write them."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.core.digests import hex_of, sha256_of
from engine.core.image_config import ImageConfig, format_image_config
from tests.engine.storage.tar_archives import archive, member

BASE_LAYER = archive([member("bin/sh", b"#!" * 500, mode=0o755), member("etc/motd", b"base")])
TOP_LAYER = archive([member("etc/.wh.motd"), member("srv/page", b"hello")])
LAYERS = (BASE_LAYER, TOP_LAYER)

Files = dict[str, bytes]


@dataclass(frozen=True)
class Made:
    """An archive's files and the id of the image in it."""

    files: Files
    image_id: str

    @property
    def tar(self) -> bytes:
        return archive([member(name, content) for name, content in self.files.items()])


def image_config(layers: Sequence[bytes] = LAYERS, **values: object) -> bytes:
    config = ImageConfig(
        architecture="amd64",
        created="2026-01-02T03:04:05.5Z",
        cmd=("sh",),
        diff_ids=tuple(sha256_of(layer) for layer in layers),
    )
    document = json.loads(format_image_config(config))
    return json.dumps({**document, "unknown to the engine": 1, **values}).encode()


def docker_archive(*, layers: Sequence[bytes] = LAYERS, tags: Sequence[str] | None = ("shell:1",), config: bytes = b"") -> Made:
    """What ``docker save`` wrote before it wrote OCI layouts: a folder for each layer."""
    config = config or image_config(layers)
    paths = [f"{hex_of(sha256_of(layer))}/layer.tar" for layer in layers]
    files = dict(zip(paths, layers, strict=True))
    image_id = sha256_of(config)
    files[f"{hex_of(image_id)}.json"] = config
    manifest = [{"Config": f"{hex_of(image_id)}.json", "RepoTags": tags and list(tags), "Layers": paths}]
    return Made({**files, "manifest.json": json.dumps(manifest).encode()}, image_id)


def oci_archive(
    *, annotations: Mapping[str, str] | None = None, platforms: Sequence[str] = ("amd64",), is_nested: bool = False
) -> Made:
    """What buildkit, skopeo and podman write; an image for each platform, only the first of them whole."""
    blobs: list[bytes] = []

    def put(blob: bytes, **more: object) -> dict[str, object]:
        blobs.append(blob)
        return {"digest": sha256_of(blob), "size": len(blob), **more}

    config = image_config()
    descriptors = []
    for architecture in platforms:
        manifest = {
            "schemaVersion": 2,
            "config": put(config if architecture == platforms[0] else b"{}"),
            "layers": [put(gzip.compress(layer, mtime=0)) for layer in LAYERS],
            "annotations": {"for": architecture},
        }
        platform = {"os": "unknown" if architecture == "unknown" else "linux", "architecture": architecture}
        descriptors.append(put(json.dumps(manifest).encode(), platform=platform))
    if is_nested:
        descriptors = [put(json.dumps({"manifests": descriptors}).encode())]
    index = {"schemaVersion": 2, "manifests": [{**one, "annotations": dict(annotations or {})} for one in descriptors]}
    files = {f"blobs/sha256/{hex_of(sha256_of(blob))}": blob for blob in blobs}
    return Made(
        {**files, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}, sha256_of(config)
    )
