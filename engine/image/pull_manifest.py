"""From a tag or digest to the one manifest that is meant here, and to the configuration that it names.

Trusts nothing that a registry says: an image's configuration and its layers are to fit each other.
"""

from dataclasses import dataclass

from engine.core.image_config import ImageConfig, parse_image_config
from engine.core.json_parts import check_parts
from engine.core.manifests import MOST_CONFIG_BYTES, Descriptor, Manifest, choose, parse_manifest
from engine.core.platforms import Platform, complete, parse_platform
from engine.errors import InvalidParameter
from engine.image.platform import host_platform
from engine.image.registry_repository import Repository

_MOST_INDEXES = 3  # one within the other


@dataclass(frozen=True, slots=True)
class Found:
    """``digest`` is that of the tag itself, perhaps of an index; it is what clients pin an image by."""

    digest: str
    manifest: Manifest


def wanted_platform(text: str) -> Platform:
    """Return the platform to choose; without one the host's. Raises InvalidParameter."""
    return complete(parse_platform(text), host_platform()) if text else host_platform()


async def find_manifest(repository: Repository, name: str, platform: Platform) -> Found:
    """Fetch a manifest by tag or digest, through indexes if need be.

    Raises NotFound where there is none, or none for the platform; InvalidParameter for what is no image.
    """
    digest = ""
    for _ in range(_MOST_INDEXES):
        fetched = await repository.manifest(name)
        digest = digest or fetched.digest
        parsed = parse_manifest(fetched.raw, fetched.media_type)
        if isinstance(parsed, Manifest):
            return Found(digest, parsed)
        name = choose(parsed, platform).digest
    raise InvalidParameter(f"the manifest {digest} leads through more than {_MOST_INDEXES - 1} indexes")


async def fetch_config(repository: Repository, descriptor: Descriptor) -> bytes:
    """Fetch an image's configuration; its digest is the image's id. Raises InvalidParameter for one that nobody writes."""
    raw = await repository.blob_bytes(descriptor, most=MOST_CONFIG_BYTES)
    check_parts(raw, "the image configuration")
    return raw


def fitting_config(raw: bytes, manifest: Manifest) -> ImageConfig:
    """Read a configuration. Raises InvalidParameter where it is not that of the manifest's layers, or not for Linux."""
    config = parse_image_config(raw)
    if len(config.diff_ids) != len(manifest.layers):
        raise InvalidParameter(
            f"the image's manifest has {len(manifest.layers)} layers, but its configuration names {len(config.diff_ids)}"
        )
    if config.os != "linux":
        raise InvalidParameter(f'image operating system "{config.os[:40]}" cannot be used on this platform')
    return config
