"""Tells a static ELF program from one that needs libraries. elf(5), 64-bit little-endian only."""

import struct
from pathlib import Path

PT_INTERP = 3
HEADER_BYTES = 64


def is_static_program(path: Path) -> bool:
    """Whether the file is an ELF program that asks for no dynamic loader; False for anything unreadable."""
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            if len(header) < HEADER_BYTES or header[:6] != b"\x7fELF\x02\x01":
                return False
            (offset,) = struct.unpack_from("<Q", header, 32)
            size, count = struct.unpack_from("<HH", header, 54)
            file.seek(offset)
            table = file.read(size * count)
            kinds = [struct.unpack_from("<I", table, size * index)[0] for index in range(count)]
    except (OSError, struct.error):
        return False
    return PT_INTERP not in kinds
