"""What ``docker save`` and OCI tools write: which images an archive holds, their configurations, which members are their layers.

Nothing in the archive is trusted: whoever takes the images in checks the layers against the configuration, whose hash is the
image's id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.core.manifests import DOCKER_CONFIG, OCI_CONFIG
from engine.core.platforms import Platform, fitness
from engine.errors import InvalidParameter
from engine.image.archive_files import ArchiveFiles, blob_path, parse_json

_MAX_INDEX_DEPTH = 3
_MOST_IMAGES = 1000  # each waits for the disk, while others wait to change theirs
_MOST_NAMES = 4096  # of all its images
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """``layers`` are paths, base first; ``digests`` are those of its manifests."""

    raw_config: bytes
    layers: tuple[str, ...]
    names: tuple[str, ...]
    digests: tuple[str, ...] = ()


def archived_images(files: ArchiveFiles, platform: Platform) -> Iterator[ArchivedImage]:
    """Yield the images of an archive. Raises InvalidParameter for one of neither kind, and for damaged ones.

    An archive of both kinds is read as docker's, which says the names in full. Of images for several platforms that for
    ``platform`` is taken; an image that is there for one platform only is taken whatever that is.
    """
    count = names = 0
    try:
        for image in _images(files, platform):
            count, names = count + 1, names + len(image.names)
            if count > _MOST_IMAGES or names > _MOST_NAMES:
                raise InvalidParameter(
                    f"the archive has more than {_MOST_IMAGES} images or {_MOST_NAMES} names: load them from several archives"
                )
            yield image
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidParameter(f"the archive's table of contents is damaged: {error!r}") from error


def _images(files: ArchiveFiles, platform: Platform) -> Iterator[ArchivedImage]:
    if files.has("manifest.json"):
        yield from (_docker_image(files, item) for item in files.json("manifest.json"))
    elif files.has("index.json"):
        yield from _oci_images(files, files.json("index.json"), platform)
    else:
        raise InvalidParameter(
            "the archive holds no image: it has neither manifest.json nor index.json; to make one of it, import it"
        )


def _docker_image(files: ArchiveFiles, item: dict[str, Any]) -> ArchivedImage:
    return ArchivedImage(files.document(item["Config"]), _texts(item["Layers"]), _texts(item.get("RepoTags")))


def _texts(items: list[object] | None) -> tuple[str, ...]:
    texts = tuple(item for item in items or () if isinstance(item, str))
    if len(texts) != len(items or ()):
        raise TypeError("a list of texts is expected")
    return texts


def _oci_images(files: ArchiveFiles, index: dict[str, Any], platform: Platform) -> Iterator[ArchivedImage]:
    count = 0
    for descriptor in index["manifests"]:
        for digest in _manifests(files, descriptor, platform, _MAX_INDEX_DEPTH):
            for image in _oci_image(files, digest, _names(descriptor)):
                count += 1
                yield image
    if not count:
        raise InvalidParameter(f"the archive holds no image for {platform.text}")


def _manifests(files: ArchiveFiles, descriptor: dict[str, Any], platform: Platform, depth: int) -> list[str]:
    """Return the digests of the manifests that a descriptor leads to and that fit: of an inner index the best one."""
    if _fit(descriptor, platform) is None or not depth:
        return []
    digest = descriptor["digest"]
    document = parse_json(files.blob(digest), str(digest))
    if "manifests" not in document:
        return [digest]
    fitting = sorted(
        (one for one in document["manifests"] if _fit(one, platform) is not None), key=lambda one: -(_fit(one, platform) or 0)
    )
    return next((found for one in fitting if (found := _manifests(files, one, platform, depth - 1))), [])


def _fit(descriptor: dict[str, Any], platform: Platform) -> int | None:
    told = descriptor.get("platform")
    if not told:
        return 0
    parts = [told.get(key) or "" for key in ("os", "architecture", "variant")]
    return fitness(Platform(*_texts(parts)), platform)


def _oci_image(files: ArchiveFiles, digest: str, names: tuple[str, ...]) -> Iterator[ArchivedImage]:
    """What is no image, such as a signature, is left out."""
    manifest = parse_json(files.blob(digest), digest)
    config = manifest["config"]
    if config.get("mediaType", OCI_CONFIG) in (OCI_CONFIG, DOCKER_CONFIG):
        layers = tuple(blob_path(layer["digest"]) for layer in manifest["layers"])
        yield ArchivedImage(files.blob(config["digest"]), layers, names, (digest,))


def _names(descriptor: dict[str, Any]) -> tuple[str, ...]:
    annotations = descriptor.get("annotations") or {}
    names = _texts([annotations[key] for key in _NAME_ANNOTATIONS if annotations.get(key)])
    # Some tools note the tag alone, which names nothing.
    return tuple(name for name in names[:1] if ":" in name or "/" in name)
