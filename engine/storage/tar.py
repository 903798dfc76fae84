"""Reads tar streams: v7, ustar, GNU and pax, sparse files included. Touches no disk; what to do with an entry is its reader's.

Sources: POSIX.1-2017 pax, "Interchange Format"; GNU tar manual, "Basic Tar Format" and "Storing Sparse Files". The kinds of
entry and the bounds are those of Go's archive/tar, since that is what image layers are written with. Raises InvalidParameter for
everything that is not a well-formed archive.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.errors import InvalidParameter
from engine.storage import tar_fields as fields
from engine.storage.tar_source import BLOCK, TarSource
from engine.storage.tar_sparse import Extent, gnu_extents, pax_extents

# Long names and pax records are held in memory; Go draws the line here as well.
MAX_HEADER_BYTES = 1 << 20
# Of all of them in one archive: reading them takes a hundred times as long as unpacking zeros.
MOST_HEADER_BYTES = 1 << 29

FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, FOLDER, FIFO = "0123456"
_GNU_LONG_LINK, _GNU_LONG_NAME, _GNU_SPARSE, _GNU_VOLUME = "KLSV"
_PAX, _PAX_SOLARIS, _PAX_GLOBAL = "xXg"
_KNOWN = frozenset({FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, FOLDER, FIFO, _GNU_SPARSE})
_EXTENSIONS = frozenset({_GNU_LONG_LINK, _GNU_LONG_NAME, _PAX, _PAX_SOLARIS})
# "7" is a contiguous file and NUL a file of the first tar; both are plain files to everybody today.
_SAME_AS_FILE = frozenset({"7", "\0"})
_XATTR = "SCHILY.xattr."


@dataclass(slots=True)
class Entry:
    """One member. ``size`` counts the bytes that follow in the stream; ``extents`` says where they go in a sparse file."""

    name: str
    kind: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    link: str = ""
    xattrs: dict[str, bytes] = field(default_factory=dict)
    extents: list[Extent] | None = None
    real_size: int = 0


def read_entries(source: TarSource) -> Iterator[Entry]:
    """Yield the entries in order. The reader may take the content through ``source``; what it leaves is skipped."""
    pending: dict[str, bytes] = {}
    read = 0
    while (block := source.header()) is not None:
        kind, size = _kind_of(block), fields.number(block[124:136], "size")
        if kind in _EXTENSIONS:
            read += size
            if read > MOST_HEADER_BYTES:
                raise InvalidParameter(f"the long names and records of the archive take more than {MOST_HEADER_BYTES} bytes")
        if kind in (_GNU_LONG_NAME, _GNU_LONG_LINK):
            pending["path" if kind == _GNU_LONG_NAME else "linkpath"] = _content(source, size).split(b"\0", 1)[0]
        elif kind in (_PAX, _PAX_SOLARIS):
            pending.update(fields.pax_records(_content(source, size)))
        elif kind in (_PAX_GLOBAL, _GNU_VOLUME):
            source.skip_content(size)
        else:
            yield from _member(source, block, kind, pending)
            pending = {}


def _member(source: TarSource, block: bytes, kind: str, pax: dict[str, bytes]) -> Iterator[Entry]:
    entry = _entry(block, kind, pax)
    source.begin(entry.size)
    if kind == _GNU_SPARSE:
        # The extents of the old form stand in blocks of their own, which the size does not count.
        entry.kind = FILE
        entry.extents, entry.real_size = gnu_extents(block, source)
    elif kind == FILE and any(key.startswith("GNU.sparse.") for key in pax):
        entry.name = fields.text(pax.get("GNU.sparse.name", b"")) or entry.name
        entry.extents, entry.real_size = pax_extents(pax, source)
    if entry.extents is not None:
        entry.size = source.left
    yield entry
    source.end()


def _entry(block: bytes, kind: str, pax: dict[str, bytes]) -> Entry:
    if kind not in _KNOWN:
        raise InvalidParameter(f"the archive holds an entry of unknown type {kind!r}")
    name = fields.text(pax["path"]) if "path" in pax else fields.header_name(block)
    size = fields.pax_number(pax, "size", block[124:136])
    if kind == FILE and name.endswith("/") and block[257:262] != b"ustar":
        kind = FOLDER
    return Entry(
        name=name,
        kind=kind,
        mode=fields.number(block[100:108], "mode") & 0o7777,
        uid=fields.pax_number(pax, "uid", block[108:116]),
        gid=fields.pax_number(pax, "gid", block[116:124]),
        mtime_ns=fields.pax_time(pax, "mtime", block[136:148]),
        size=size if kind in (FILE, _GNU_SPARSE) else 0,
        link=fields.text(pax["linkpath"]) if "linkpath" in pax else fields.text(block[157:257].split(b"\0", 1)[0]),
        xattrs={key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)},
        real_size=size,
    )


def _kind_of(block: bytes) -> str:
    kind = chr(block[156])
    return FILE if kind in _SAME_AS_FILE else kind


def _content(source: TarSource, size: int) -> bytes:
    if not 0 <= size <= MAX_HEADER_BYTES:
        raise InvalidParameter(f"a header of the archive takes {size} bytes, at most {MAX_HEADER_BYTES} are read")
    content = source.exactly(size)
    source.exactly(-size % BLOCK)
    return content
