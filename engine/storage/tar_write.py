"""Headers of tar streams, written: ustar, with pax records where a value does not fit. Touches no disk.

Sources: POSIX.1-2017 pax, "Interchange Format". Values are truncated to what dockerd writes: times in whole seconds, no names of
users. The reader's side is ``tar``.
"""

import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from engine.storage.tar_source import BLOCK

END = bytes(2 * BLOCK)
_NAME_BYTES = 100
_SMALL_NUMBER = 8**7  # what seven octal digits hold, and eleven of them below
_LARGE_NUMBER = 8**11
_KINDS = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}
_HARD_LINK = b"1"


class Member(NamedTuple):
    """What one header says. ``link`` is the target of a symbolic link, or, with ``is_hard_link``, an earlier member's name."""

    name: str
    mode: int  # with the bits that tell the kind
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: str = ""
    is_hard_link: bool = False
    device: int = 0
    xattrs: Mapping[str, bytes] = {}


def header(member: Member) -> bytes:
    """Return the blocks that precede a member's content; its size counts for regular files only."""
    is_file = stat.S_ISREG(member.mode) and not member.is_hard_link
    size = member.size if is_file else 0
    name, link = os.fsencode(member.name), os.fsencode(member.link)
    records = _records(member, name, link, size)
    pax = b"".join(_record(key, value) for key, value in records.items())
    extension = _block(b"PaxHeaders.0/" + name[:80], b"x", mode=0o644, size=len(pax)) + padded(pax) if pax else b""
    return extension + _block(
        name,
        _HARD_LINK if member.is_hard_link else _KINDS[stat.S_IFMT(member.mode)],
        mode=stat.S_IMODE(member.mode),
        uid=member.uid,
        gid=member.gid,
        size=size,
        mtime=member.mtime,
        link=link,
        device=member.device,
    )


def is_archivable(mode: int) -> bool:
    """Whether tar knows the kind of file: it has none for sockets."""
    return stat.S_IFMT(mode) in _KINDS


def padded(data: bytes) -> bytes:
    """Fill up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def _records(member: Member, name: bytes, link: bytes, size: int) -> dict[bytes, bytes]:
    """Return what the plain header cannot say."""
    texts = {b"path": name, b"linkpath": link}
    found = {key: value for key, value in texts.items() if len(value) > _NAME_BYTES or not value.isascii()}
    limits = {b"uid": (member.uid, _SMALL_NUMBER), b"gid": (member.gid, _SMALL_NUMBER), b"size": (size, _LARGE_NUMBER)}
    limits[b"mtime"] = (member.mtime, _LARGE_NUMBER)
    found |= {key: b"%d" % value for key, (value, limit) in limits.items() if not 0 <= value < limit}
    return found | {b"SCHILY.xattr." + os.fsencode(key): value for key, value in sorted(member.xattrs.items())}


def _record(key: bytes, value: bytes) -> bytes:
    """``length key=value``, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _block(
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    size: int,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    link: bytes = b"",
    device: int = 0,
) -> bytes:
    small = [_octal(value, 7, _SMALL_NUMBER) for value in (mode, uid, gid)]
    large = [_octal(value, 11, _LARGE_NUMBER) for value in (size, mtime)]
    numbers = [_octal(value, 7, _SMALL_NUMBER) for value in (os.major(device), os.minor(device))]
    parts = [
        name[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
        *small,
        *large,
        b" " * 8,
        kind,
        link[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0"),
        b"ustar\x0000",
        bytes(64),
        *numbers,
    ]
    block = b"".join(parts).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(value: int, digits: int, limit: int) -> bytes:
    """A number that does not fit stands in a record; the field is zero then."""
    return b"%0*o\0" % (digits, value if 0 <= value < limit else 0)
