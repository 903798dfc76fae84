"""Layers as one folder that has no path: mounted detached, reachable by its descriptor only, gone when that is closed.

Whoever reads or writes an image without a container does it here. The mount gives no devices, programs or set-user-id; what is
opened by ``open_inside`` or found by ``resolve`` is found as a process whose root it is would find it.
"""

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import InvalidParameter
from engine.linux.files import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2
from engine.linux.fscontext import FilesystemContext
from engine.linux.mount import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY
from engine.storage.staged import mount_by_path
from engine.storage.tree import OPEN_FOLDER
from engine.storage.volatile import clear_mark

_HARMLESS = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
_INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_MOST_LINKS = 255  # as moby; the kernel follows 40
_MOST_STEPS = 8192


@contextlib.contextmanager
def readable_layers(layers: Sequence[Path], *, by_path: bool = False) -> Iterator[int]:
    """Lend the layers (base first) as one open folder that cannot be written. An overlay needs two of them.

    ``by_path`` takes the way of kernels before 6.8 at once, here and below.
    """
    if len(layers) == 1:
        with _opened(os.open(layers[0], OPEN_FOLDER)) as folder:
            yield folder
    else:
        with _opened(_mount(layers, {}, MOUNT_ATTR_RDONLY, by_path=by_path)) as mount, _opened(_top(mount)) as folder:
            yield folder


@contextlib.contextmanager
def writable_layers(layers: Sequence[Path], *, upper: Path, work: Path, by_path: bool = False) -> Iterator[int]:
    """Lend the layers (base first, at least one) as one open folder whose changes go to ``upper``, to be synced by the caller."""
    clear_mark(work)
    mounted = _mount(layers, {"upperdir": upper, "workdir": work}, 0, by_path=by_path)
    with _opened(mounted) as mount, _opened(_top(mount)) as folder:
        yield folder


def is_in_use(upper: Path, scratch: Path, *, by_path: bool = False) -> bool:
    """Whether anything may still write to ``upper`` through an overlay, mounted or held by no more than a descriptor.

    A container may hand descriptors to others that outlive it. The kernel lends an upper folder to one overlay with an index at
    a time; where it does not, nothing is known, and the answer is yes. ``scratch`` is an empty folder beside it.
    """
    for name in ("lower", "first", "second"):
        (scratch / name).mkdir(mode=0o700)

    def mount(work: str) -> int:
        writable = {"upperdir": upper, "workdir": scratch / work}
        return _mount([scratch / "lower"], writable, 0, index="on", by_path=by_path)

    try:
        first = mount("first")
    except OSError:
        return True
    with _opened(first):
        try:
            os.close(mount("second"))
        except OSError as error:
            return error.errno != errno.EBUSY
        return True


def open_inside(root: int, path: str, flags: int) -> int:
    """Open a path as a process in the tree would: links lead nowhere but inside, those of /proc nowhere. Raises OSError."""
    return openat2(root, path or ".", flags, resolve=_INSIDE)


def resolve(root: int, path: str) -> str:
    """Return where a path leads inside the tree: relative, without links, ``""`` for the top; what is missing stays as written.

    Only for trees that nobody else changes. Raises InvalidParameter for links without end, OSError where a look is impossible.
    """
    if _is_plain(root, path):
        return "/".join(part for part in path.split("/") if part not in ("", "."))
    reached: list[str] = []
    waiting = path.split("/")[::-1]
    links, steps = 0, 0
    while waiting:
        part = waiting.pop()
        steps += 1
        if part in ("", "."):
            continue
        if part == "..":
            del reached[-1:]
            continue
        target = _link_target(root, "/".join((*reached, part)))
        if target is None:
            reached.append(part)
            continue
        links += 1
        if links > _MOST_LINKS or steps > _MOST_STEPS:
            raise InvalidParameter(f"too many links in {path[:200]!r}")
        if target.startswith("/"):
            reached.clear()
        waiting += target.split("/")[::-1]
    return "/".join(reached)


def _is_plain(root: int, path: str) -> bool:
    """Whether something is there and no link leads to it: most paths, which need one look only."""
    if ".." in path.split("/"):
        return False
    try:
        node = openat2(root, path or ".", os.O_PATH | os.O_NOFOLLOW, resolve=_INSIDE | RESOLVE_NO_SYMLINKS)
    except OSError:
        return False
    try:
        return not stat.S_ISLNK(os.fstat(node).st_mode)
    finally:
        os.close(node)


def _link_target(root: int, path: str) -> str | None:
    """Return where the link at a path leads; None for anything else and for nothing."""
    try:
        node = openat2(root, path, os.O_PATH | os.O_NOFOLLOW, resolve=_INSIDE | RESOLVE_NO_SYMLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.readlink("", dir_fd=node)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # no link
            return None
        raise
    finally:
        os.close(node)


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _top(mount: int) -> int:
    """A mount's own descriptor can be used to find things, not to read them."""
    return os.open(".", OPEN_FOLDER, dir_fd=mount)


def _mount(
    layers: Sequence[Path], writable: dict[str, Path], attributes: int, *, index: str = "off", by_path: bool = False
) -> int:
    options = {"metacopy": "off", "redirect_dir": "off", "index": index}
    flags = ["volatile"] if writable else []
    if by_path or not _takes_layers_one_by_one():
        texts = [*(f"{key}={value}" for key, value in options.items()), *flags]
        return mount_by_path(layers[::-1], writable, texts, attributes | _HARMLESS)
    with FilesystemContext("overlay") as context, contextlib.ExitStack() as opened:
        context.set_string("source", "overlay")
        for key, path in (*(("lowerdir+", layer) for layer in reversed(layers)), *writable.items()):
            folder = os.open(path, OPEN_FOLDER)
            opened.callback(os.close, folder)
            _set_folder(context, key, folder)
        for key, value in options.items():
            context.set_string(key, value)
        for flag in flags:
            context.set_flag(flag)
        context.create()
        return context.mount(attributes | _HARMLESS)


@functools.cache
def _takes_layers_one_by_one() -> bool:
    """Linux 6.8. Much older kernels take any option and refuse it when all are there, so they take what is none."""
    with FilesystemContext("overlay") as context:
        try:
            context.set_string("lowerdir+", "/")
        except OSError:
            return False
        try:
            context.set_flag("none")
        except OSError:
            return True
        return False


def _set_folder(context: FilesystemContext, key: str, folder: int) -> None:
    """Kernels before 6.13 take paths only, of which an option holds 255 bytes."""
    try:
        context.set_fd(key, folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP):
            raise
        context.set_string(key, f"/proc/self/fd/{folder}")
