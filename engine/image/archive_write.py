"""Writes archives of images that docker and OCI tools read alike: manifest.json, repositories and an OCI layout in one tar.

As ``docker save`` writes them since version 25: layers are plain tars named by their digest, each once. Equal images give equal
bytes. The small documents come first, so that a reader of the stream knows what the layers are. Nothing is spooled.
"""

import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.digests import hex_of, sha256_of
from engine.core.image_config import ImageConfig
from engine.core.manifests import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from engine.core.references import parse_reference
from engine.storage.layers import LayerStore
from engine.storage.tar_source import BLOCK
from engine.storage.tar_write import END, Member, header, padded

_PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
_BLOBS = "blobs/sha256/"
_BLOCK_BYTES = 1 << 20
_FILE, _FOLDER = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image for an archive. ``tags`` are names in the form that is kept."""

    raw_config: bytes
    config: ImageConfig
    tags: tuple[str, ...] = ()


def archive_blocks(images: Sequence[SavedImage], layers: LayerStore, *, default_domain: str) -> Iterator[bytes]:
    """Yield the archive. The layers are held by the caller. Raises NotFound, Fault for a damaged layer."""
    sizes = {diff_id: layers.tar_size(diff_id) for image in images for diff_id in image.config.diff_ids}
    yield b"".join(_documents(images, sizes, default_domain))
    for diff_id, size in sizes.items():
        yield header(Member(_BLOBS + hex_of(diff_id), _FILE, size=size))
        with layers.open_tar(diff_id) as tar:
            while block := tar.read(_BLOCK_BYTES):
                yield block
        if padding := bytes(-size % BLOCK):  # no piece may be empty: that is how the end is told
            yield padding
    yield END


def _documents(images: Sequence[SavedImage], sizes: dict[str, int], default_domain: str) -> Iterator[bytes]:
    manifests = [_manifest(image, sizes) for image in images]
    yield from (header(Member(name, _FOLDER)) for name in ("blobs/", _BLOBS))
    blobs = dict.fromkeys([*(image.raw_config for image in images), *manifests])
    for blob in blobs:
        yield from _file(_BLOBS + hex_of(sha256_of(blob)), blob)
    yield from _file("index.json", _index(images, manifests, default_domain))
    yield from _file("manifest.json", _dump([_docker_item(image, sizes) for image in images]))
    yield from _file("oci-layout", _dump({"imageLayoutVersion": "1.0.0"}))
    if repositories := _repositories(images):
        yield from _file("repositories", _dump(repositories))


def _manifest(image: SavedImage, sizes: dict[str, int]) -> bytes:
    return _dump(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(OCI_CONFIG, sha256_of(image.raw_config), len(image.raw_config)),
            "layers": [_layer(diff_id, sizes) for diff_id in image.config.diff_ids],
        }
    )


def _index(images: Sequence[SavedImage], manifests: Sequence[bytes], default_domain: str) -> bytes:
    """Name each image once for each of its names, in full, as an index has no room for several."""
    entries = [
        {**_descriptor(OCI_MANIFEST, sha256_of(raw), len(raw)), "platform": _platform(image.config), **named}
        for image, raw in zip(images, manifests, strict=True)
        for named in [_annotations(tag, default_domain) for tag in image.tags] or [{}]
    ]
    return _dump({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})


def _annotations(tag: str, default_domain: str) -> dict[str, object]:
    reference = parse_reference(tag)
    name = reference.name if reference.domain or not default_domain else f"{default_domain}/{_path_there(reference.path)}"
    annotations = {"io.containerd.image.name": f"{name}:{reference.tag}", "org.opencontainers.image.ref.name": reference.tag}
    return {"annotations": annotations}


def _path_there(path: str) -> str:
    return path if "/" in path else f"library/{path}"


def _platform(config: ImageConfig) -> dict[str, str]:
    platform = {"architecture": config.architecture, "os": config.os, "variant": config.variant}
    return {key: value for key, value in platform.items() if value}


def _docker_item(image: SavedImage, sizes: dict[str, int]) -> dict[str, object]:
    diff_ids = image.config.diff_ids
    return {
        "Config": _BLOBS + hex_of(sha256_of(image.raw_config)),
        "RepoTags": list(image.tags) or None,
        "Layers": [_BLOBS + hex_of(diff_id) for diff_id in diff_ids],
        "LayerSources": {diff_id: _layer(diff_id, sizes) for diff_id in diff_ids},
    }


def _repositories(images: Sequence[SavedImage]) -> dict[str, dict[str, str]]:
    """The table of contents of the oldest archives; it names an image by its topmost layer."""
    found: dict[str, dict[str, str]] = {}
    for image in images:
        for tag in image.tags if image.config.diff_ids else ():
            repository, _, last = tag.rpartition(":")
            found.setdefault(repository, {})[last] = hex_of(image.config.diff_ids[-1])
    return found


def _layer(diff_id: str, sizes: dict[str, int]) -> dict[str, object]:
    return _descriptor(_PLAIN_LAYER, diff_id, sizes[diff_id])


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _file(name: str, content: bytes) -> tuple[bytes, bytes]:
    return header(Member(name, _FILE, size=len(content))), padded(content)


def _dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
