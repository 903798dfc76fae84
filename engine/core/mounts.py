"""What a container mounts, as data: what the client asked for, what became of it, and the short text form of both.

Owns the shapes, the reading of ``source:target:options``, and the options' meaning. Knows no container, touches nothing.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.volumes import check_volume_name
from engine.errors import InvalidParameter

BIND, VOLUME, TMPFS = "bind", "volume", "tmpfs"
_ACCESS = ("ro", "rw")
_LABELLING = ("z", "Z")  # of SELinux, without meaning here
_PRIVATE = ("rprivate", "private")
_SHARED = ("shared", "rshared", "slave", "rslave")


@dataclass(frozen=True, slots=True)
class MountRequest:
    """An entry of ``HostConfig.Mounts`` as the client wrote it."""

    kind: str
    target: str
    source: str = ""
    readonly: bool = False
    propagation: str = ""
    non_recursive: bool = False
    makes_source: bool = False
    no_copy: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    driver_options: Mapping[str, str] = field(default_factory=dict)
    subpath: str = ""
    tmpfs_bytes: int = 0
    tmpfs_mode: int = 0


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount of a container, decided.

    ``source`` is a path of the host: a bind's, or of a volume that is a folder there. ``backing`` tells of a volume that is no
    folder of the engine's own; ``options`` are a tmpfs's.
    """

    kind: str
    target: str
    source: str = ""
    volume_id: str = ""
    name: str = ""
    driver: str = ""
    mode: str = ""
    readonly: bool = False
    is_anonymous: bool = False  # goes with its container when asked for
    copies: bool = False  # an empty volume is filled from the image
    subpath: str = ""
    is_recursive: bool = True
    makes_source: bool = False
    options: str = ""
    backing: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)  # for a volume that is still to be made, as the next
    driver_options: Mapping[str, str] = field(default_factory=dict)


def parse_bind(text: str) -> MountPoint:
    """Read ``/source:/target[:options]``, ``name:/target[:options]`` or ``/target`` alone. Raises InvalidParameter.

    A target alone is a volume without a name; libraries send ``volumes=["/data"]`` so.
    """
    parts = text.split(":")
    if len(parts) == 1 and text:
        return MountPoint(VOLUME, parse_target(text, "volume"), mode="z", is_anonymous=True, copies=True)
    if len(parts) not in (2, 3) or not all(parts[:2]):
        raise InvalidParameter(f"invalid volume specification {text[:120]!r}: use source:/target or source:/target:options")
    source, target = parts[0], parse_target(parts[1], "bind")
    mode = parts[2] if len(parts) == 3 else ""
    options = tuple(mode.split(",")) if mode else ()
    if source.startswith("/"):
        _check_options(text, options, allowed=(_ACCESS, _LABELLING, (*_PRIVATE, *_SHARED)))
        for option in options:
            check_propagation(option)
        return MountPoint(BIND, target, source=clean_path(source), mode=mode, readonly="ro" in options, makes_source=True)
    check_volume_name(source)
    _check_options(text, options, allowed=(_ACCESS, _LABELLING, ("nocopy",)))
    return MountPoint(
        VOLUME,
        target,
        name=source,
        mode=mode or "z",
        readonly="ro" in options,
        copies="nocopy" not in options,
        is_recursive=False,
    )


def parse_volumes_from(text: str) -> tuple[str, bool]:
    """Read ``container[:options]`` as the container's name and whether it is only to be read. Raises InvalidParameter."""
    name, _, mode = text.partition(":")
    options = tuple(mode.split(",")) if mode else ()
    if not name:
        raise InvalidParameter(f"invalid volumes-from {text[:120]!r}: name a container")
    _check_options(text, options, allowed=(_ACCESS, _LABELLING, ("nocopy",)))
    return name, "ro" in options


def parse_target(path: str, what: str) -> str:
    """Return where in the container something goes, without dots and doubled slashes. Raises InvalidParameter."""
    if not path.startswith("/") or "\0" in path:
        raise InvalidParameter(f"invalid {what} path: {path[:120]!r} mount path must be absolute")
    cleaned = clean_path(path)
    if cleaned == "/":
        raise InvalidParameter(f"invalid {what} target {path[:40]!r}: destination can't be '/', use a folder below it")
    return cleaned


def clean_path(path: str) -> str:
    """Take dots and doubled slashes out of an absolute path, as text: no link is looked at."""
    return "/" + posixpath.normpath(path).lstrip("/")


def check_propagation(propagation: str) -> None:
    """Raise InvalidParameter for what would let mounts through between the host and a container."""
    if propagation in _SHARED:
        raise InvalidParameter(
            f"propagation {propagation} is not supported: mounts never pass between the host and a container, use rprivate"
        )


def check_subpath(subpath: str) -> None:
    """Raise InvalidParameter unless it is relative and climbs nowhere. Links on the way are looked at when it is opened."""
    if subpath.startswith("/") or ".." in subpath.split("/") or "\0" in subpath:
        raise InvalidParameter(f"invalid volume subpath {subpath[:120]!r}: use a path relative to the volume without '..'")


def _check_options(text: str, options: tuple[str, ...], *, allowed: tuple[tuple[str, ...], ...]) -> None:
    """Each option is to be of a group, and no group may be used twice."""
    for option in options:
        if not any(option in group for group in allowed):
            raise InvalidParameter(f"invalid volume specification {text[:120]!r}: invalid mode {option[:40]!r}")
    for group in allowed:
        if len([option for option in options if option in group]) > 1:
            raise InvalidParameter(f"invalid volume specification {text[:120]!r}: use one of {', '.join(group)} only")
