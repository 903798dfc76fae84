"""What a worker on a container's files does, once the container's root is its own: look, read, write.

Loaded by the worker after its fork, so the supervisor never pays for it. It answers on two pipes: reports, one JSON object a
line, and data. The last report is {"done"} or {"error"}; data without a {"done"} after it is worth nothing.
"""

import contextlib
import errno
import json
import os
import posixpath
import stat
from itertools import chain

from engine.core.files import FilesTask
from engine.errors import EngineError, Fault, Forbidden, InvalidParameter, NotFound
from engine.linux.files import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2
from engine.linux.mount import AT_FDCWD
from engine.runtime.files_worker import WorkerEnd
from engine.runtime.users import find_account
from engine.storage import zstd
from engine.storage.compression import decompressed
from engine.storage.differences import changes, pack_changes
from engine.storage.insert import Options, insert
from engine.storage.pack import Found, Packer, PathTooLongError, TornFileError, walk
from engine.storage.tar_source import TarSource

_MOST_LINKS = 255
_OWN_MOUNTS = frozenset({"proc", "sys", "dev"})
_LARGEST_ACCOUNT_FILE = 1024 * 1024
_JSON_PIECE = 1 << 16
_MISSING = frozenset({errno.ENOENT})
_BAD_PATH = frozenset({errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EACCES})

zstd.is_available()  # loads the library, which cannot be found any more once the root is another


class Report:
    """What the daemon is told."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, **values: object) -> None:
        os.write(self._fd, json.dumps(values).encode() + b"\n")

    def fail(self, error: BaseException) -> None:
        """Say why there is no more. A reader that has left needs no answer."""
        failure = _as_engine_error(error)
        with contextlib.suppress(BrokenPipeError):
            self.say(error={"kind": type(failure).__name__, "message": failure.message[:1000]})


def perform(task: FilesTask, container: str, end: WorkerEnd, report: Report) -> None:
    """Do the work. Raises whatever went wrong."""
    match task["verb"]:
        case "stat":
            Place(task["path"], container).tell(report)
        case "get":
            _get(Place(task["path"], container), end.data, report)
        case "put":
            _put(task, container, end.data)
        case "export":
            _export(end.data, report)
        case "changes":
            _list_changes(end)
        case "pack":
            pack_changes(os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), end.lowers, end.data)
    os.close(end.data)
    report.say(done=True)


class Place:
    """A path as dockerd reads it: the last link counts as itself, unless a slash or "/." behind it asks for what it leads to."""

    def __init__(self, path: str, container: str) -> None:
        self._path, self._container = path, container
        self._clean = clean_path(path)
        self._follows = path.endswith(("/", "/.")) or path in ("", ".")
        try:
            self._open()
        except OSError as error:
            raise path_error(error, path, container) from error

    def _open(self) -> None:
        above, name = posixpath.split(self._clean)
        self.is_root = not name
        self.shown_name = "." if self._path.endswith("/.") else name or "/"
        if self._follows or not name:
            # A folder, and as such its own place.
            self.folder = open_folder(self._clean)
            self.status, self.name = os.fstat(self.folder), "."
            return
        self.folder = open_folder(above)
        self.name = name
        self.status = os.stat(name, dir_fd=self.folder, follow_symlinks=False)

    def tell(self, report: Report) -> None:
        status = self.status
        try:
            target = link_target(self._clean) if stat.S_ISLNK(status.st_mode) else ""
        except OSError as error:
            raise path_error(error, self._path, self._container) from error
        report.say(
            stat={
                "name": self.shown_name,
                "size": status.st_size,
                "mode": status.st_mode,
                "mtime_ns": status.st_mtime_ns,
                "link_target": target,
            }
        )

    def open_tree(self) -> int:
        """The folder, open for reading. Raises EngineError when it has gone meanwhile."""
        resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
        try:
            return openat2(self.folder, self.name, os.O_RDONLY | os.O_DIRECTORY, resolve=resolve)
        except OSError as error:
            raise path_error(error, self._path, self._container) from error

    def pack(self, packer: Packer) -> None:
        """Write what is no folder. Raises EngineError when it has gone meanwhile, or is one of the kernel's that says nothing."""
        written = packer.add(Found(self.name, self.name, self.folder, self.status), self.shown_name)
        if not written and not stat.S_ISSOCK(self.status.st_mode):
            raise path_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), self._path, self._container)


def clean_path(path: str) -> str:
    """Absolute and without dots, by its text alone."""
    return "/" + posixpath.normpath("/" + path).lstrip("/")


def open_folder(path: str) -> int:
    """Links are followed, since they can lead nowhere but inside; those of /proc are not, as they may lead to other roots."""
    return openat2(AT_FDCWD, path, os.O_RDONLY | os.O_DIRECTORY, resolve=RESOLVE_NO_MAGICLINKS)


def link_target(path: str) -> str:
    """Where a path leads when all links are followed; its end need not exist. For showing only."""
    pending, current, links = path.split("/"), "", 0
    while pending:
        name = pending.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            current = posixpath.dirname(current) if current else ""
            continue
        try:
            target = os.readlink(f"{current}/{name}")
        except OSError:
            current = f"{current.rstrip('/')}/{name}"
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        pending = target.split("/") + pending
        current = "" if target.startswith("/") else current
    return current or "/"


def path_error(error: OSError, path: str, container: str) -> EngineError:
    """What a client is told of a path that cannot be had."""
    if error.errno in _MISSING:
        return NotFound(f"Could not find the file {path[:500]} in container {container}")
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in _BAD_PATH:
        return InvalidParameter(f"cannot use path {path[:500]} in container {container}: {reason}")
    return Fault(f"cannot use path {path[:500]} in container {container}: {reason}")


def _get(place: Place, output: int, report: Report) -> None:
    place.tell(report)
    packer = Packer(output)
    if not stat.S_ISDIR(place.status.st_mode):
        place.pack(packer)
        packer.finish()
        return
    folder = place.open_tree()
    prefix = "" if place.shown_name == "/" else place.shown_name
    packer.add_folder(folder, prefix)
    skip = _is_own_mount if place.is_root else None
    for found in walk(folder, skip=skip):
        packer.add(found, f"{prefix}/{found.path}")
    packer.finish()


def _is_own_mount(path: str, status: os.stat_result) -> bool:
    """The kernel's file systems are no files of the container's; who wants some of them names them."""
    return path in _OWN_MOUNTS and status.st_dev != os.stat("/").st_dev


def _export(output: int, report: Report) -> None:
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    report.say(begun=True)
    packer = Packer(output)
    for found in walk(root):
        packer.add(found, found.path)
    packer.finish()


def _put(task: FilesTask, container: str, source: int) -> None:
    path = task["path"]
    try:
        folder = open_folder(clean_path(path))
    except NotADirectoryError as error:
        raise InvalidParameter("extraction point is not a directory") from error
    except OSError as error:
        raise path_error(error, path, container) from error
    _check_writable(folder)
    options = Options(keeps_kinds=task.get("keeps_kinds", False), owner=_owner(task.get("owner", "")))
    with open(source, "rb", buffering=0, closefd=False) as stream:
        blocks = decompressed(stream)
        first = next(blocks, b"")
        if first:  # nothing at all is fine, as with dockerd
            insert(TarSource(chain([first], blocks)), folder, options)


def _check_writable(folder: int) -> None:
    if os.fstatvfs(folder).f_flag & os.ST_RDONLY:
        is_root = os.fstat(folder).st_dev == os.stat("/").st_dev
        raise Forbidden("container rootfs is marked read-only" if is_root else "mounted volume is marked read-only")


def _owner(user: str) -> tuple[int, int] | None:
    if not user:
        return None
    account = find_account(user, [], passwd=_read("/etc/passwd"), group=_read("/etc/group"))
    return account.uid, account.gid


def _read(path: str) -> str:
    try:
        fd = openat2(AT_FDCWD, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve=RESOLVE_NO_MAGICLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    with open(fd, "rb") as file:
        is_plain = stat.S_ISREG(os.fstat(fd).st_mode)
        return file.read(_LARGEST_ACCOUNT_FILE).decode(errors="replace") if is_plain else ""


def _list_changes(end: WorkerEnd) -> None:
    """Write the answer itself: a JSON list, null when it is empty, as dockerd writes it."""
    upper = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    text = b""
    before = b"["
    for change in changes(upper, end.lowers):
        text += before + json.dumps({"Path": f"/{change.path}", "Kind": change.kind}).encode()
        before = b","
        if len(text) > _JSON_PIECE:
            _write_all(end.data, text)
            text = b""
    _write_all(end.data, text + (b"]" if before == b"," else b"null"))


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _as_engine_error(error: BaseException) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, PathTooLongError):
        return InvalidParameter("folders of the container are nested more deeply than a path can be long")
    if isinstance(error, TornFileError):
        return Fault(f"a file of the container cannot be read: {error}".lower())
    if isinstance(error, MemoryError):
        return InvalidParameter("the archive takes too much memory")
    if isinstance(error, OSError):
        return Fault(f"files of the container: {(error.strerror or type(error).__name__).lower()}")
    return Fault(f"files of the container: {error!r}")
