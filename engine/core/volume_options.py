"""What the options of the local driver make of a volume: a limit, memory instead of the disk, or a folder of the host's.

Owns their meaning. Pure: whether the disk can limit, and who may name a folder of the host's, is for others to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.core.sizes import parse_size
from engine.core.tmpfs_options import check_tmpfs_options
from engine.errors import InvalidParameter

IN_MEMORY, ON_HOST = "tmpfs", "bind"
_NAMES = ("size", "type", "o", "device")
_NEEDED = {"device": ("type",), "type": ("device",), "o": ("device", "type")}
_BIND_OPTIONS = ("bind", "rw", "ro")


@dataclass(frozen=True, slots=True)
class VolumeOptions:
    """``backing`` is empty for a folder of the engine's own; ``mount_options`` are a tmpfs's."""

    limit_bytes: int | None = None
    backing: str = ""
    device: str = ""
    mount_options: str = ""
    readonly: bool = False


def read_volume_options(options: Mapping[str, str]) -> VolumeOptions:
    """Read what a client gave; what is empty counts as absent. Raises InvalidParameter."""
    for name in options:
        if name not in _NAMES:
            raise InvalidParameter(f'invalid option: "{name[:60]}": a volume knows {", ".join(_NAMES)}')
    given = {name: value for name, value in options.items() if value}
    limit_bytes = _limit(given.get("size", ""))
    if not given.keys() - {"size"}:
        return VolumeOptions(limit_bytes)
    for name in given:
        for needed in _NEEDED.get(name, ()):
            if needed not in given:
                raise InvalidParameter(f'missing required option: "{needed}"')
    if limit_bytes is not None:
        raise InvalidParameter("volume option size limits a folder of the engine's own: for memory write o=size=…")
    return _mounted(given["type"], given["device"], given.get("o", ""))


def _limit(text: str) -> int | None:
    if not text:
        return None
    if (limit := parse_size(text)) is None:
        raise InvalidParameter(f"invalid size: '{text[:40]}': use a size such as 500m or 10g")
    return limit


def _mounted(kind: str, device: str, options: str) -> VolumeOptions:
    words = options.split(",")
    if kind == "tmpfs":
        return VolumeOptions(backing=IN_MEMORY, mount_options=check_tmpfs_options(options))
    if kind not in ("none", "bind") or "bind" not in words:
        raise InvalidParameter(
            f"volume option type={kind[:40]} with o={options[:60]!r} is not supported: use type=tmpfs for memory, or mount it on"
            " the host yourself and name the folder with type=none, o=bind and device=PATH"
        )
    for word in words:
        if word not in _BIND_OPTIONS:
            raise InvalidParameter(f"invalid volume option o={word[:40]!r}: use {', '.join(_BIND_OPTIONS)}")
    if not device.startswith("/") or "\0" in device:
        raise InvalidParameter(f"invalid volume option device={device[:120]!r}: use an absolute path")
    return VolumeOptions(backing=ON_HOST, device=device, readonly="ro" in words)
