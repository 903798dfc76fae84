"""Leaves of btrfs trees as bytes on the disk (btrfs_tree.h): an inode's number in one, and its checksum. Unmounted disks only."""

import functools
import struct

LEAF_BYTES = 16384
_CHECKSUM_BYTES = 32  # of which CRC-32C takes 4
_COUNT = struct.Struct("<I")
_COUNT_OFFSET, _HEADER_BYTES = 96, 101
_KEY = struct.Struct("<QBQ")
_ITEM_BYTES, _PLACE = 25, struct.Struct("<II")
_DIR_KINDS = frozenset({84, 96})  # DIR_ITEM and DIR_INDEX begin with the key of what they name


def renumber(leaf: bytes, *, former: int, number: int) -> bytes:
    """Return a leaf of a subvolume in which one inode has another number; it must stay the highest one."""
    changed = bytearray(leaf)
    (count,) = _COUNT.unpack_from(changed, _COUNT_OFFSET)
    for position in range(_HEADER_BYTES, _HEADER_BYTES + count * _ITEM_BYTES, _ITEM_BYTES):
        _, kind, _ = _KEY.unpack_from(changed, position)
        offset, _ = _PLACE.unpack_from(changed, position + _KEY.size)
        _renumber_key(changed, position, former, number)
        if kind in _DIR_KINDS:
            _renumber_key(changed, _HEADER_BYTES + offset, former, number)
    used = _HEADER_BYTES + count * _ITEM_BYTES
    least = min(_PLACE.unpack_from(changed, p + _KEY.size)[0] for p in range(_HEADER_BYTES, used, _ITEM_BYTES)) + _HEADER_BYTES
    checksum = _crc32c(changed[least:], _over_zeros(_crc32c(changed[_CHECKSUM_BYTES:used], _ONES), least - used)) ^ _ONES
    changed[:_CHECKSUM_BYTES] = struct.pack("<I28x", checksum)
    return bytes(changed)


def _renumber_key(leaf: bytearray, position: int, former: int, number: int) -> None:
    object_id, kind, offset = _KEY.unpack_from(leaf, position)
    if object_id == former:
        _KEY.pack_into(leaf, position, number, kind, offset)


_ONES = 0xFFFFFFFF
_POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    table = []
    for value in range(256):
        entry = value
        for _ in range(8):
            entry = entry >> 1 ^ (_POLYNOMIAL if entry & 1 else 0)
        table.append(entry)
    return table


_TABLE = _table()


def _crc32c(data: bytes | bytearray, checksum: int) -> int:
    for byte in data:
        checksum = checksum >> 8 ^ _TABLE[(checksum ^ byte) & 0xFF]
    return checksum


def _over_zeros(checksum: int, count: int) -> int:
    """Go on over zeros, of which a leaf is full."""
    return _times(_zeros(count), checksum)


@functools.cache
def _zeros(count: int) -> tuple[int, ...]:
    """One byte of zeros is a linear map of the checksum's bits; as many of them are its power."""
    power = tuple(_crc32c(b"\0", 1 << bit) for bit in range(32))
    result = tuple(1 << bit for bit in range(32))
    while count:
        if count & 1:
            result = tuple(_times(power, column) for column in result)
        power = tuple(_times(power, column) for column in power)
        count >>= 1
    return result


def _times(matrix: tuple[int, ...], vector: int) -> int:
    result = 0
    for column in matrix:
        if vector & 1:
            result ^= column
        vector >>= 1
    return result
