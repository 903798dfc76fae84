"""Where the content of sparse files goes: the old GNU form and the three pax ones. Writes nothing."""

from collections.abc import Iterator, Sequence

from engine.errors import InvalidParameter
from engine.storage import tar_fields as fields
from engine.storage.tar_source import BLOCK, TarSource

Extent = tuple[int, int]  # offset in the file, number of bytes

_OLD_HEADER_PAIRS = 4
_OLD_BLOCK_PAIRS = 21
_MAX_DIGITS = 20
_MOST_EXTENTS = 1 << 18  # a list of them is held in memory


def gnu_extents(block: bytes, source: TarSource) -> tuple[list[Extent], int]:
    """Read the extents of type "S": four in the header, 21 in each block that follows while a flag says so."""
    pairs = _old_pairs(block[386:482], _OLD_HEADER_PAIRS)
    more, room = block[482], _MOST_EXTENTS
    while more:
        room -= _OLD_BLOCK_PAIRS
        if room < 0:
            raise InvalidParameter(f"a sparse file of the archive has more than {_MOST_EXTENTS} parts")
        extension = source.exactly(BLOCK)
        pairs += _old_pairs(extension, _OLD_BLOCK_PAIRS)
        more = extension[504]
    return _checked(pairs, fields.number(block[483:495], "real size"), source.left)


def pax_extents(pax: dict[str, bytes], source: TarSource) -> tuple[list[Extent], int]:
    """Read the extents of formats 0.0 and 0.1 (in the records) or 1.0 (before the content)."""
    real_size = fields.decimal(pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size", b""), "sparse size")
    if pax.get("GNU.sparse.major") == b"1":
        return _checked(_pairs(list(_leading_numbers(source))), real_size, source.left)
    numbers = [fields.decimal(item, "sparse map") for item in pax.get("GNU.sparse.map", b"").split(b",") if item]
    return _checked(_pairs(numbers), real_size, source.left)


def _leading_numbers(source: TarSource) -> Iterator[int]:
    """Yield the numbers of format 1.0: a count, then pairs, a line each, padded to a block."""
    lines = _lines(source)
    count = fields.decimal(next(lines), "sparse map")
    if count > _MOST_EXTENTS or count * 2 > source.left + BLOCK:
        raise InvalidParameter(f"a sparse file of the archive announces {count} parts, more than it can hold")
    for _ in range(count * 2):
        yield fields.decimal(next(lines), "sparse map")


def _lines(source: TarSource) -> Iterator[bytes]:
    rest = b""
    while True:
        line, newline, after = rest.partition(b"\n")
        if newline:
            rest = after
            yield line
        elif len(rest) > _MAX_DIGITS:
            raise InvalidParameter("a sparse file of the archive has an unreadable map")
        else:
            rest += source.content_exactly(min(BLOCK, source.left) or BLOCK)


def _old_pairs(raw: bytes, count: int) -> list[Extent]:
    pairs = []
    for at in range(0, count * 24, 24):
        if raw[at : at + 24].strip(b"\0 "):
            pairs.append((fields.number(raw[at : at + 12], "sparse map"), fields.number(raw[at + 12 : at + 24], "sparse map")))
    return pairs


def _pairs(numbers: Sequence[int]) -> list[Extent]:
    if len(numbers) % 2:
        raise InvalidParameter("a sparse file of the archive has half a pair in its map")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _checked(extents: list[Extent], real_size: int, stored: int) -> tuple[list[Extent], int]:
    """Extents must ascend, not overlap, lie within the file and account for every stored byte."""
    end = 0
    for offset, length in extents:
        if offset < end or length < 0:
            raise InvalidParameter("a sparse file of the archive has overlapping parts")
        end = offset + length
    if end > real_size or sum(length for _, length in extents) != stored:
        raise InvalidParameter("the map of a sparse file of the archive does not fit its content")
    return extents, real_size
