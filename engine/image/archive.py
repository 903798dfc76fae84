"""Reads what ``docker save`` and OCI tools write: which images an archive holds, their configuration and where their layers are.

The archive is spooled into a folder first, because its table of contents may come last. Nothing in it is trusted: paths stay in
the folder, and whoever unpacks the layers checks them against the configuration, whose hash is the image's id.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.errors import InvalidParameter
from engine.image.archive_folder import ArchiveFolder, blob_path, parse_json
from engine.storage.compression import decompressed, read_ahead
from engine.storage.tar_source import TarSource
from engine.storage.tree import OPEN_FOLDER
from engine.storage.untar import extract

OpenLayer = Callable[[], AbstractContextManager[BinaryIO]]

_MAX_INDEX_DEPTH = 3
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """``layers`` are base first, as stored, perhaps compressed; ``digests`` are those of its manifests."""

    raw_config: bytes
    layers: tuple[OpenLayer, ...]
    names: tuple[str, ...]
    digests: tuple[str, ...] = ()


def spool_archive(stream: BinaryIO, folder: Path) -> None:
    """Unpack an archive, compressed or not, into an empty folder. Raises InvalidParameter, Fault."""
    root_fd = os.open(folder, OPEN_FOLDER)
    try:
        with read_ahead(decompressed(stream)) as blocks:
            extract(TarSource(blocks), root_fd)
    finally:
        os.close(root_fd)


def archived_images(folder: Path, *, architecture: str) -> list[ArchivedImage]:
    """Return the images of a spooled archive. Raises InvalidParameter for one of neither kind, and for damaged ones.

    An archive of both kinds is read as docker's, which says the names in full.
    """
    files = ArchiveFolder(folder)
    try:
        if files.has("manifest.json"):
            return [_docker_image(files, item) for item in files.json("manifest.json")]
        if files.has("index.json"):
            return _oci_images(files, files.json("index.json"), architecture)
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidParameter(f"the archive's table of contents is damaged: {error!r}") from error
    raise InvalidParameter(
        "the archive holds no image: it has neither manifest.json nor index.json; to make one of it, import it"
    )


def _docker_image(files: ArchiveFolder, item: dict[str, Any]) -> ArchivedImage:
    layers = tuple(files.opener(path) for path in _texts(item["Layers"]))
    return ArchivedImage(files.document(item["Config"]), layers, _texts(item.get("RepoTags")))


def _texts(items: list[object] | None) -> tuple[str, ...]:
    texts = tuple(item for item in items or () if isinstance(item, str))
    if len(texts) != len(items or ()):
        raise TypeError(f"{items!r} is no list of texts")
    return texts


def _oci_images(files: ArchiveFolder, index: dict[str, Any], architecture: str) -> list[ArchivedImage]:
    images = [
        _oci_image(files, manifest, _names(descriptor))
        for descriptor in index["manifests"]
        for manifest in _manifests(files, descriptor, architecture, _MAX_INDEX_DEPTH)
    ]
    if not images:
        raise InvalidParameter(f"the archive holds no image for linux/{architecture}")
    return images


def _manifests(files: ArchiveFolder, descriptor: dict[str, Any], architecture: str, depth: int) -> list[str]:
    """Return the digests of the manifests that a descriptor leads to and that run here."""
    platform = descriptor.get("platform") or {"os": "linux", "architecture": architecture}
    if (platform.get("os"), platform.get("architecture")) != ("linux", architecture) or not depth:
        return []
    digest = descriptor["digest"]
    document = parse_json(files.blob(digest), str(digest))
    if "manifests" not in document:
        return [digest]
    return [found for inner in document["manifests"] for found in _manifests(files, inner, architecture, depth - 1)]


def _oci_image(files: ArchiveFolder, digest: str, names: tuple[str, ...]) -> ArchivedImage:
    manifest = parse_json(files.blob(digest), digest)
    layers = tuple(files.opener(blob_path(layer["digest"])) for layer in manifest["layers"])
    return ArchivedImage(files.blob(manifest["config"]["digest"]), layers, names, (digest,))


def _names(descriptor: dict[str, Any]) -> tuple[str, ...]:
    annotations = descriptor.get("annotations") or {}
    names = _texts([annotations[key] for key in _NAME_ANNOTATIONS if annotations.get(key)])
    # Some tools note the tag alone, which names nothing.
    return tuple(name for name in names[:1] if ":" in name or "/" in name)
