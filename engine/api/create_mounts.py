"""What a request for a container wants to be mounted: ``Mounts`` and ``Tmpfs`` (the texts of ``Binds`` are kept as they are).

Owns the forms in which clients write it.
"""

from engine.api.decode import Document
from engine.core.mounts import MountRequest
from engine.errors import InvalidParameter

_TMPFS_FLAGS = frozenset({"rw", "ro", "nosuid", "nodev", "exec", "noexec", ""})
_FOREIGN_OPTIONS = {"bind": ("VolumeOptions",), "volume": ("BindOptions",), "tmpfs": ("BindOptions", "VolumeOptions")}
_LONGEST_TMPFS = 1024
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"})


def decode_mounts(host: Document) -> tuple[MountRequest, ...]:
    """Return the entries of ``Mounts`` as they came. Raises InvalidParameter."""
    return tuple(_mount(mount) for mount in host.documents("Mounts"))


def decode_tmpfs(host: Document) -> dict[str, str]:
    """Return options by target. Raises InvalidParameter."""
    return {_target(target, "tmpfs"): _tmpfs(options) for target, options in host.mapping("Tmpfs").items()}


def absolute(path: str, what: str) -> str:
    """Return a path that is absolute or empty. Raises InvalidParameter."""
    if (path and not path.startswith("/")) or "\0" in path:
        raise InvalidParameter(f"invalid {what} {path[:120]!r}: use an absolute path")
    return path


def _mount(mount: Document) -> MountRequest:
    bind, volume, tmpfs = (mount.document(name) for name in ("BindOptions", "VolumeOptions", "TmpfsOptions"))
    driver = volume.document("DriverConfig")
    _check_options(mount)
    if bind.boolean("ReadOnlyForceRecursive") and bind.boolean("NonRecursive"):
        raise InvalidParameter("mount options ReadOnlyForceRecursive and NonRecursive exclude each other: leave one out")
    if tmpfs.is_set("Options"):
        raise InvalidParameter("tmpfs mount options are not supported: use SizeBytes and Mode")
    return MountRequest(
        kind=mount.text("Type"),
        target=mount.text("Target"),
        source=mount.text("Source"),
        readonly=mount.boolean("ReadOnly"),
        propagation=bind.text("Propagation"),
        non_recursive=bind.boolean("NonRecursive"),
        makes_source=bind.boolean("CreateMountpoint"),
        no_copy=volume.boolean("NoCopy"),
        labels=volume.labels(),
        driver=driver.text("Name"),
        driver_options=driver.mapping("Options"),
        subpath=volume.text("Subpath"),
        tmpfs_bytes=tmpfs.integer("SizeBytes"),
        tmpfs_mode=tmpfs.integer("Mode"),
    )


def _check_options(mount: Document) -> None:
    """Options of another kind of mount are a mistake. Raises InvalidParameter, in dockerd's words."""
    kind = mount.text("Type")
    for field in _FOREIGN_OPTIONS.get(kind, ()):
        if mount.is_set(field):
            raise InvalidParameter(f'invalid mount config for type "{kind}": field {field} must not be specified')


def _target(path: str, what: str) -> str:
    if not path.strip("/"):
        raise InvalidParameter(f"invalid {what} target {path[:40]!r}: use an absolute path below /")
    return absolute(path, f"{what} target")


def _tmpfs(options: str) -> str:
    """Docker's mount flags are taken where they change nothing here: a tmpfs is always nosuid and nodev."""
    if len(options) > _LONGEST_TMPFS:
        raise InvalidParameter(f"tmpfs options are too long: {len(options)} characters, use at most {_LONGEST_TMPFS}")
    for option in options.split(","):
        name, equals, _ = option.partition("=")
        if option not in _TMPFS_FLAGS and not (equals and name in _TMPFS_VALUES):
            raise InvalidParameter(f"invalid tmpfs option {option[:40]!r}: use size, mode, uid, gid, nr_inodes or nr_blocks")
    return options
