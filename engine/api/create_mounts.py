"""What a request for a container wants to be mounted: ``Binds``, ``Mounts`` and ``Tmpfs``.

Owns the forms in which clients write it.
"""

from engine.api.decode import Document
from engine.core.containers import Bind
from engine.errors import InvalidParameter

_BIND_OPTIONS = frozenset({"ro", "rw", "z", "Z", "rprivate", "private", ""})
_TMPFS_FLAGS = frozenset({"rw", "nosuid", "nodev", "exec", "noexec", ""})
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"})


def decode_binds(host: Document) -> tuple[Bind, ...]:
    """Return the binds of both forms. Raises InvalidParameter."""
    binds = [_bind(text) for text in host.texts("Binds")]
    return (*binds, *(_bind_mount(mount) for mount in host.documents("Mounts") if _type_of(mount) == "bind"))


def decode_tmpfs(host: Document) -> dict[str, str]:
    """Return options by target of both forms. Raises InvalidParameter."""
    short = {_target(target, "tmpfs"): _tmpfs(options) for target, options in host.mapping("Tmpfs").items()}
    mounts = [mount for mount in host.documents("Mounts") if _type_of(mount) == "tmpfs"]
    return {**short, **{_target(mount.text("Target"), "mount"): _tmpfs_options(mount) for mount in mounts}}


def absolute(path: str, what: str) -> str:
    """Return a path that is absolute or empty. Raises InvalidParameter."""
    if (path and not path.startswith("/")) or "\0" in path:
        raise InvalidParameter(f"invalid {what} {path[:120]!r}: use an absolute path")
    return path


def _type_of(mount: Document) -> str:
    kind = mount.text("Type")
    if kind not in ("bind", "tmpfs"):
        raise InvalidParameter(f"mount of type {kind[:40]!r} is not supported: use bind or tmpfs")
    return kind


def _bind(text: str) -> Bind:
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise InvalidParameter(f"invalid bind {text[:120]!r}: use /source:/target or /source:/target:ro")
    options = set(parts[2].split(",")) if len(parts) == 3 else set()
    if unknown := options - _BIND_OPTIONS:
        raise InvalidParameter(f"invalid bind option {sorted(unknown)[0][:40]!r}: use ro or rw")
    return Bind(_source(parts[0]), _target(parts[1], "bind"), "ro" in options, makes_source=True)


def _bind_mount(mount: Document) -> Bind:
    return Bind(
        _source(mount.text("Source")),
        _target(mount.text("Target"), "mount"),
        mount.boolean("ReadOnly"),
        makes_source=mount.document("BindOptions").boolean("CreateMountpoint"),
    )


def _source(path: str) -> str:
    if not path.startswith("/"):
        raise InvalidParameter(f"volume {path[:60]!r} is not supported: use an absolute path of the host")
    return path


def _target(path: str, what: str) -> str:
    if not path.strip("/"):
        raise InvalidParameter(f"invalid {what} target {path[:40]!r}: use an absolute path below /")
    return absolute(path, f"{what} target")


def _tmpfs_options(mount: Document) -> str:
    options = mount.document("TmpfsOptions")
    size, mode = options.integer("SizeBytes"), options.integer("Mode")
    if size < 0 or not 0 <= mode <= 0o7777:
        raise InvalidParameter(f"invalid tmpfs of {size} bytes and mode {mode:o}: use a positive size and up to 7777")
    return ",".join([*([f"size={size}"] if size else []), *([f"mode={mode:o}"] if mode else [])])


def _tmpfs(options: str) -> str:
    """Docker's mount flags are taken where they change nothing here: a tmpfs is always nosuid and nodev."""
    for option in options.split(","):
        name, equals, _ = option.partition("=")
        if option not in _TMPFS_FLAGS and not (equals and name in _TMPFS_VALUES):
            raise InvalidParameter(f"invalid tmpfs option {option[:40]!r}: use size, mode, uid, gid, nr_inodes or nr_blocks")
    return options
