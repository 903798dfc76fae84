"""Content and attributes of one open file to another. Decides nothing about names, owners or modes."""

import errno
import os

_XATTRS = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
_XATTR_PREFIX, _XATTR_REFUSED = "user.", "user.overlay."
_CHUNK = 2**24
_SMALL_BYTES = 2**17  # quicker by hand than by looking for holes
_PAGE_BYTES = 4096


def is_hole(piece: bytes) -> bool:
    """Zeros by the page need no place: an archive of nothing else, or of a sparse file, fills no disk."""
    return len(piece) >= _PAGE_BYTES and piece[0] == piece[-1] == 0 and not piece.strip(b"\0")


def copy_content(reader: int, writer: int) -> None:
    """Fill a new file. Holes stay holes, so that a sparse file does not fill the disk."""
    end, offset = os.fstat(reader).st_size, 0
    if end <= _SMALL_BYTES and os.write(writer, os.pread(reader, end, 0)) == end:
        return
    os.ftruncate(writer, end)
    while offset < end:
        try:
            offset = os.lseek(reader, offset, os.SEEK_DATA)
            until = os.lseek(reader, offset, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        os.lseek(writer, offset, os.SEEK_SET)
        while offset < until:
            sent = os.sendfile(writer, reader, offset, min(until - offset, _CHUNK))
            if sent == 0:
                return
            offset += sent


def read_xattrs(source: int) -> dict[str, bytes]:
    """Return the attributes that a file keeps wherever it goes."""
    return {name: os.getxattr(source, name) for name in os.listxattr(source) if _is_kept(name)}


def copy_xattrs(source: int, target: int) -> None:
    """Not every file system keeps them; a file without is better than none, as in moby."""
    for name, value in read_xattrs(source).items():
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise


def _is_kept(name: str) -> bool:
    return name in _XATTRS or (name.startswith(_XATTR_PREFIX) and not name.startswith(_XATTR_REFUSED))
