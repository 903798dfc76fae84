"""Manifests and indexes of images as data, and their JSON forms (OCI image specification; Docker's schema 2).

What is read came from a registry or an archive and is trusted in nothing: kinds, sizes and digests are checked here. The bytes
themselves are kept by whoever fetched them, since their hash is their name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.core.digests import is_digest
from engine.core.json_parts import check_parts
from engine.core.platforms import Platform, fitness
from engine.errors import InvalidParameter, NotFound

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFESTS = (DOCKER_MANIFEST, OCI_MANIFEST)
INDEXES = (DOCKER_INDEX, OCI_INDEX)
ACCEPTED = (*MANIFESTS, *INDEXES)
MOST_MANIFEST_BYTES = 4 * 2**20
MOST_CONFIG_BYTES = 8 * 2**20
MOST_LAYERS = 127
MOST_BLOB_BYTES = 2**50
_MOST_ENTRIES = 1000  # of an index
_CONFIGS = (DOCKER_CONFIG, OCI_CONFIG)
_LAYERS = frozenset(
    (
        DOCKER_LAYER,
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        OCI_LAYER,
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    )
)
_OLD = "application/vnd.docker.distribution.manifest.v1+"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of a blob, or an index of a manifest. ``platform`` is None where nothing is said."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image: its configuration, and its layers, base first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """The manifests of one image for several platforms."""

    manifests: tuple[Descriptor, ...]


def parse_manifest(raw: bytes, media_type: str) -> Manifest | Index:
    """Read a manifest or an index. ``media_type`` is what it was served as; where that says nothing, the document's own counts.

    Raises InvalidParameter for what is none, for schema 1 and for kinds that are no images.
    """
    document, kind = _read(raw, media_type)
    try:
        return _index(document) if kind in INDEXES else _manifest(document)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidParameter(f"invalid manifest: {error}") from error


def manifest_type(raw: bytes, media_type: str) -> str:
    """Return the one of ACCEPTED that a document is; raises InvalidParameter where it is none of them."""
    return _read(raw, media_type)[1]


def _read(raw: bytes, media_type: str) -> tuple[dict[str, Any], str]:
    if len(raw) > MOST_MANIFEST_BYTES:
        raise InvalidParameter(f"the manifest is too long: {len(raw)} bytes, at most {MOST_MANIFEST_BYTES} are read")
    check_parts(raw, "the manifest")
    try:
        document = _object(json.loads(raw))
        return document, _kind(document, media_type.partition(";")[0].strip().lower())
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParameter(f"invalid manifest: {error}") from error


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("it is no JSON object")
    return value


def _kind(document: Mapping[str, Any], served_as: str) -> str:
    own = _text(document.get("mediaType", ""), "mediaType")
    kind = served_as if served_as in ACCEPTED or served_as.startswith(_OLD) else own or _guessed(document, served_as)
    if kind.startswith(_OLD) or document.get("schemaVersion") == 1:
        raise InvalidParameter(
            "the manifest has the old schema 1, which is read no more: push the image again with a client of the last ten years"
        )
    if kind not in ACCEPTED:
        raise ValueError(f"the media type {kind[:100]!r} is none of an image")
    if own and own != kind:
        raise ValueError(f"it was served as {kind} and says itself that it is {own[:100]!r}")
    # A document that is both would mean one thing to one reader and another to the next (CVE-2021-41190).
    if ("manifests" in document) is not (kind in INDEXES) or ("layers" in document or "config" in document) is (kind in INDEXES):
        raise ValueError(f"its content is not that of {kind}")
    if document.get("schemaVersion") != 2:
        raise ValueError(f"schemaVersion is {str(document.get('schemaVersion'))[:20]!r}, not 2")
    return kind


def _guessed(document: Mapping[str, Any], served_as: str) -> str:
    """OCI lets a document leave out its own type; only a server that names none either makes us look inside."""
    if served_as not in ("", "application/json", "application/octet-stream", "text/plain"):
        return served_as
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST


def _manifest(document: Mapping[str, Any]) -> Manifest:
    layers = _list(document.get("layers"), "layers", MOST_LAYERS)
    config = _descriptor(document["config"], "config")
    if config.media_type not in _CONFIGS:
        raise ValueError(
            f"the configuration's media type {config.media_type[:100]!r} is none of an image: this is something else"
        )
    if config.size > MOST_CONFIG_BYTES:
        raise ValueError(f"the configuration is too long: {config.size} bytes, at most {MOST_CONFIG_BYTES} are read")
    return Manifest(config, tuple(_layer(entry, f"layers[{number}]") for number, entry in enumerate(layers)))


def _layer(entry: object, path: str) -> Descriptor:
    layer = _descriptor(entry, path)
    # Such layers are fetched from addresses in the manifest, which are those of whoever wrote it.
    if layer.urls or "nondistributable" in layer.media_type or ".foreign." in layer.media_type:
        raise ValueError(f"{path} is kept outside the registry, which is for images of Windows")
    if layer.media_type not in _LAYERS:
        raise ValueError(f"{path} has the media type {layer.media_type[:100]!r}, which is no layer")
    return layer


def _index(document: Mapping[str, Any]) -> Index:
    entries = _list(document.get("manifests"), "manifests", _MOST_ENTRIES)
    return Index(tuple(_descriptor(entry, f"manifests[{number}]") for number, entry in enumerate(entries)))


def _descriptor(entry: object, path: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise TypeError(f"{path} is no object")
    size, digest = entry.get("size"), _text(entry.get("digest", ""), f"{path}.digest")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MOST_BLOB_BYTES:
        raise ValueError(f"{path}.size {str(size)[:40]!r} is no size of a blob")
    if not is_digest(digest):
        raise ValueError(f"{path}.digest {digest[:100]!r} is not sha256: and 64 hexadecimal digits")
    return Descriptor(
        media_type=_text(entry.get("mediaType", ""), f"{path}.mediaType"),
        digest=digest,
        size=size,
        platform=_platform(entry.get("platform"), path),
        annotations=_texts_of(entry.get("annotations"), f"{path}.annotations"),
        urls=tuple(_text(url, f"{path}.urls") for url in _list(entry.get("urls"), f"{path}.urls", _MOST_ENTRIES)),
    )


def _platform(value: object, path: str) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError(f"{path}.platform is no object")
    parts = (_text(value.get(key) or "", f"{path}.platform.{key}") for key in ("os", "architecture", "variant"))
    return Platform(*parts)


def _list(value: object, path: str, most: int) -> Sequence[object]:
    if value is not None and not isinstance(value, list):
        raise TypeError(f"{path} is no list")
    if value and len(value) > most:
        raise ValueError(f"{path} has {len(value)} entries, at most {most} are read")
    return value or ()


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError(f"{path} is no text")
    return value


def _texts_of(value: object, path: str) -> dict[str, str]:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"{path} is no object")
    return {key: item for key, item in (value or {}).items() if isinstance(item, str)}


def choose(index: Index, platform: Platform) -> Descriptor:
    """Return the entry that fits a platform best, the first of equals; raises NotFound where none does."""
    fitting = [(fit, entry) for entry in index.manifests if (fit := _fit(entry, platform)) is not None]
    if not fitting:
        offered = ", ".join(dict.fromkeys(entry.platform.text for entry in index.manifests[:40] if entry.platform))
        raise NotFound(
            f"no matching manifest for {platform.text} in the manifest list entries: there are {offered[:400] or 'none'}"
        )
    return max(fitting, key=lambda pair: pair[0])[1]


def _fit(entry: Descriptor, platform: Platform) -> int | None:
    if entry.media_type not in ACCEPTED:
        return None
    # One that says nothing may be for anything, and is taken when no other fits.
    return 0 if entry.platform is None else fitness(entry.platform, platform)


def format_manifest(config: Descriptor, layers: Sequence[Descriptor], *, oci: bool = False) -> bytes:
    """Write a manifest; equal images give equal bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST if oci else DOCKER_MANIFEST,
        "config": _described(config, OCI_CONFIG if oci else DOCKER_CONFIG),
        "layers": [_described(layer, layer.media_type or (OCI_LAYER if oci else DOCKER_LAYER)) for layer in layers],
    }
    return json.dumps(document, indent=3).encode()


def _described(descriptor: Descriptor, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": descriptor.size, "digest": descriptor.digest}
