"""Btrfs through its ioctls (linux/btrfs.h, linux/btrfs_tree.h): subvolumes, quota groups, searches in its trees, its size."""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

BTRFS_SUPER_MAGIC = 0x9123683E
FIRST_INODE = 256  # of each subvolume: its top folder
TOP_SUBVOLUME = 5
ROOT_TREE, CHUNK_TREE, QUOTA_TREE = 1, 3, 8
ROOT_ITEM = 132
ROOT_REF = 156  # in the tree of roots: (parent's id, kind, child's id)
CHUNK_ITEM = 228
QGROUP_STATUS, QGROUP_INFO, QGROUP_LIMIT, QGROUP_RELATION = 240, 242, 244, 246
QUOTA_FULL, QUOTA_OFF, QUOTA_SIMPLE = 1, 2, 4  # commands of QUOTA_CTL

_SYNC = 0x9408
_RESIZE = 0x50009403
_SNAP_DESTROY = 0x5000940F
_SNAP_DESTROY_V2 = 0x5000943F
_INO_LOOKUP = 0xD0009412
_SNAP_CREATE_V2 = 0x50009417
_SUBVOL_CREATE_V2 = 0x50009418
_START_SYNC = 0x80089418
_FS_INFO = 0x8400941F
_TREE_SEARCH_V2 = 0xC0709411
_QUOTA_CTL = 0xC0109428
_QGROUP_ASSIGN = 0x40189429
_QGROUP_CREATE = 0x4010942A
_QGROUP_LIMIT = 0x8030942B
_QUOTA_RESCAN = 0x4040942C

_QGROUP_INHERIT, _SPEC_BY_ID = 4, 16  # flags of the second version's arguments
_INHERIT_LIMITS = 1
_LIMIT_MAX_RFER = 1
NO_LIMIT = 2**64 - 1

_ARGUMENTS = struct.Struct("=q4088s")
_ARGUMENTS_V2 = struct.Struct("=qQQQQ16x4040s")
_ARGUMENTS_BY_ID = struct.Struct("=qQQ32xQ4032x")
_LIMIT = struct.Struct("=5Q")
_INHERIT = struct.Struct("=4Q")
_LOOKUP_BYTES = 4096
_SEARCH_KEY = struct.Struct("=7Q4I4Q")
_SEARCH_HEADER = struct.Struct("=QQQII")
_SEARCH_BYTES = 65536
_MOST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a tree: its key, and its bytes as they are on disk."""

    object_id: int
    kind: int
    offset: int
    data: bytes


def create_subvolume(folder_fd: int, name: str, *, groups: Sequence[int] = (), limit_bytes: int | None = None) -> None:
    """Make a subvolume in an open folder; its own quota group becomes part of ``groups``, and has the limit at once.

    Without ``groups`` and limit the kernel decides, which with quotas off is the only way. Raises OSError.
    """
    if not groups and limit_bytes is None:
        _ioctl(folder_fd, _SUBVOL_CREATE_V2, _ARGUMENTS_V2.pack(0, 0, 0, 0, 0, os.fsencode(name)))
        return
    limit = (0, 0, 0, 0, 0) if limit_bytes is None else (_LIMIT_MAX_RFER, limit_bytes, 0, 0, 0)
    inherit = bytearray(_INHERIT.pack(0 if limit_bytes is None else _INHERIT_LIMITS, len(groups), 0, 0))
    inherit += _LIMIT.pack(*limit) + struct.pack(f"={len(groups)}Q", *groups)
    held = (ctypes.c_char * len(inherit)).from_buffer(inherit)
    arguments = _ARGUMENTS_V2.pack(0, 0, _QGROUP_INHERIT, len(inherit), ctypes.addressof(held), os.fsencode(name))
    _ioctl(folder_fd, _SUBVOL_CREATE_V2, arguments)


def create_snapshot(source_fd: int, folder_fd: int, name: str) -> None:
    """Make a subvolume with all that is in an open one. Waits for a commit. Raises OSError."""
    _ioctl(folder_fd, _SNAP_CREATE_V2, _ARGUMENTS_V2.pack(source_fd, 0, 0, 0, 0, os.fsencode(name)))


def destroy_subvolume(folder_fd: int, name: str) -> None:
    """Take a subvolume out of an open folder, with all that is in it; the kernel takes it apart later. Raises OSError."""
    _ioctl(folder_fd, _SNAP_DESTROY, _ARGUMENTS.pack(0, os.fsencode(name)))


def destroy_subvolume_by_id(fd: int, subvolume: int) -> None:
    """The same for one that lies anywhere in the file system of an open folder. Raises FileNotFoundError, OSError."""
    _ioctl(fd, _SNAP_DESTROY_V2, _ARGUMENTS_BY_ID.pack(0, 0, _SPEC_BY_ID, subvolume))


def path_in_subvolume(fd: int, subvolume: int, folder: int) -> str:
    """Return the path of a folder, given by its number, below the top of its subvolume; empty for the top. Raises OSError."""
    answer = bytearray(struct.pack("=QQ", subvolume, folder).ljust(_LOOKUP_BYTES, b"\0"))
    fcntl.ioctl(fd, _INO_LOOKUP, answer, True)
    return os.fsdecode(bytes(answer[16:]).split(b"\0", 1)[0])


def subvolume_of(fd: int) -> int:
    """Return the id of the subvolume that an open file or folder lies in. Raises OSError."""
    answer = bytearray(struct.pack("=QQ", 0, FIRST_INODE).ljust(_LOOKUP_BYTES, b"\0"))
    fcntl.ioctl(fd, _INO_LOOKUP, answer, True)
    (found,) = struct.unpack_from("=Q", answer)
    return int(found)


def filesystem_uuid(fd: int) -> str:
    """Return the file system's id, as sysfs names it. Raises OSError."""
    answer = fcntl.ioctl(fd, _FS_INFO, bytes(1024))
    return str(UUID(bytes=answer[16:32]))


def quota_ctl(fd: int, command: int) -> None:
    """Turn quotas of the whole file system on or off. Raises OSError."""
    fcntl.ioctl(fd, _QUOTA_CTL, struct.pack("=QQ", command, 0))


def create_group(fd: int, group: int) -> None:
    """Raises FileExistsError, OSError."""
    fcntl.ioctl(fd, _QGROUP_CREATE, struct.pack("=QQ", 1, group))


def remove_group(fd: int, group: int) -> None:
    """Raises FileNotFoundError; OSError EBUSY while something is counted in it."""
    fcntl.ioctl(fd, _QGROUP_CREATE, struct.pack("=QQ", 0, group))


def assign_group(fd: int, child: int, parent: int) -> bool:
    """Count a group in another of a higher level; True where the kernel would now have to count everything anew."""
    return bool(_ioctl(fd, _QGROUP_ASSIGN, struct.pack("=QQQ", 1, child, parent)))


def unassign_group(fd: int, child: int, parent: int) -> bool:
    """The opposite. Raises FileNotFoundError where it was not so."""
    return bool(_ioctl(fd, _QGROUP_ASSIGN, struct.pack("=QQQ", 0, child, parent)))


def limit_group(fd: int, group: int, limit_bytes: int | None) -> None:
    """Set or take away the limit of what a group refers to. Raises OSError."""
    most = NO_LIMIT if limit_bytes is None else limit_bytes  # the kernel takes all ones as "no limit any more"
    fcntl.ioctl(fd, _QGROUP_LIMIT, struct.pack("=Q", group) + _LIMIT.pack(_LIMIT_MAX_RFER, most, 0, 0, 0))


def rescan(fd: int) -> None:
    """Begin to count everything anew (full quotas only); nothing happens where that is going on. Raises OSError."""
    try:
        fcntl.ioctl(fd, _QUOTA_RESCAN, bytes(64))
    except OSError as error:
        if error.errno != errno.EINPROGRESS:
            raise


def sync(fd: int) -> None:
    """Write out everything, and have what was removed taken apart soon. Raises OSError."""
    fcntl.ioctl(fd, _SYNC)


def start_sync(fd: int) -> None:
    """Begin to commit the running transaction; returns at once. Raises OSError."""
    fcntl.ioctl(fd, _START_SYNC, bytes(8))


def resize(fd: int, *, size: str = "max") -> None:
    """Change the size of the first device: bytes, or all that it has. Raises OSError."""
    _ioctl(fd, _RESIZE, _ARGUMENTS.pack(0, f"1:{size}".encode()))


def search(fd: int, tree: int, kind: int, *, object_id: int | None = None) -> Iterator[Item]:
    """Yield the items of one kind in a tree, by key, as they are now. Nothing where the tree is not there. Raises OSError."""
    least = (object_id or 0, kind, 0)
    last = _MOST if object_id is None else object_id
    while True:
        items = list(_search_once(fd, tree, least, last))
        yield from (item for item in items if item.kind == kind)
        if not items or (items[-1].object_id, items[-1].kind, items[-1].offset) >= (last, 255, _MOST):
            return
        least = _next_key(items[-1])


def _next_key(item: Item) -> tuple[int, int, int]:
    if item.offset < _MOST:
        return item.object_id, item.kind, item.offset + 1
    return (item.object_id, item.kind + 1, 0) if item.kind < 255 else (item.object_id + 1, 0, 0)


def _search_once(fd: int, tree: int, least: tuple[int, int, int], last_object: int) -> Iterator[Item]:
    """Yield one buffer of items. Ranges of kinds hold for the ends of a search only, so other kinds may come between."""
    # struct btrfs_ioctl_search_key: tree, object ids, offsets, transactions, types, number of items
    key = _SEARCH_KEY.pack(tree, least[0], last_object, least[2], _MOST, 0, _MOST, least[1], 255, 2**32 - 1, 0, 0, 0, 0, 0)
    buffer = bytearray(key + struct.pack("=Q", _SEARCH_BYTES) + bytes(_SEARCH_BYTES))
    try:
        fcntl.ioctl(fd, _TREE_SEARCH_V2, buffer, True)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    (count,) = struct.unpack_from("=I", buffer, 64)
    position = len(key) + 8
    for _ in range(count):
        _, object_id, offset, kind, length = _SEARCH_HEADER.unpack_from(buffer, position)
        position += _SEARCH_HEADER.size
        yield Item(object_id, kind, offset, bytes(buffer[position : position + length]))
        position += length


def _ioctl(fd: int, request: int, arguments: bytes) -> int:
    """The call's result; the standard library takes no more than 1024 bytes unless they may be written to."""
    return int(fcntl.ioctl(fd, request, bytearray(arguments), True))
