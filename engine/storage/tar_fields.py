"""The fields of tar headers: numbers, names, pax records. Pure."""

import os
import re

from engine.errors import InvalidParameter

_PAX_TIME = re.compile(r"(-?)(\d{1,12})(?:\.(\d*))?")
_SECOND_NS = 10**9
# Filesystems clamp times themselves; this only keeps them inside what the system call takes.
_MAX_SECONDS = 1 << 40


def number(raw: bytes, what: str) -> int:
    """Read octal digits, or the GNU form for large and negative numbers: a set first bit, then two's complement."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big", signed=False) & ((1 << (8 * len(raw) - 1)) - 1)
        return value - (1 << (8 * len(raw) - 1)) if raw[0] & 0x40 else value
    digits = raw.split(b"\0", 1)[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise _invalid(what, raw)
    return int(digits or b"0", 8)


def text(raw: bytes) -> str:
    """Read a name as the kernel does: bytes, shown as text without loss."""
    if b"\0" in raw:
        raise _invalid("name", raw)
    return os.fsdecode(raw)


def header_name(block: bytes) -> str:
    """Join ustar's prefix to the name. GNU headers keep times where the prefix would be."""
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    return text(prefix + b"/" + name if prefix else name)


def pax_records(raw: bytes) -> dict[str, bytes]:
    """Read ``length key=value`` lines. The pairs of sparse format 0.0 repeat their keys, so they are gathered as a map."""
    records: dict[str, bytes] = {}
    sparse: list[bytes] = []
    at = 0
    while at < len(raw):
        key, value, at = _pax_record(raw, at)
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            sparse.append(value)
        else:
            records[key] = value
    if sparse:
        records["GNU.sparse.map"] = b",".join(sparse)
    return records


def _pax_record(raw: bytes, at: int) -> tuple[str, bytes, int]:
    space = raw.find(b" ", at, at + 20)
    length = raw[at:space] if space > 0 else b""
    end = at + int(length) if length.isdigit() else 0
    key, equals, value = raw[space + 1 : end - 1].partition(b"=")
    if not equals or not key or end > len(raw) or raw[end - 1 : end] != b"\n":
        raise _invalid("pax record", raw[at : at + 60])
    return key.decode(errors="replace"), value, end


def pax_number(pax: dict[str, bytes], key: str, field: bytes) -> int:
    """Prefer the pax record over the header's field; no such number may be negative."""
    value = decimal(pax[key], key) if pax.get(key) else number(field, key)
    if value < 0:
        raise _invalid(key, pax.get(key, field))
    return value


def decimal(raw: bytes, what: str) -> int:
    """Read a number written in decimal digits."""
    if not raw.isdigit() or len(raw) > 20:
        raise _invalid(what, raw)
    return int(raw)


def pax_time(pax: dict[str, bytes], key: str, field: bytes) -> int:
    """Return nanoseconds since 1970, clamped to what a system call takes."""
    if key not in pax:
        return max(-_MAX_SECONDS, min(_MAX_SECONDS, number(field, key))) * _SECOND_NS
    match = _PAX_TIME.fullmatch(pax[key].decode(errors="replace"))
    if match is None:
        raise _invalid(key, pax[key])
    value = min(int(match[2]), _MAX_SECONDS) * _SECOND_NS + int((match[3] or "").ljust(9, "0")[:9])
    return -value if match[1] else value


def _invalid(what: str, raw: bytes) -> InvalidParameter:
    return InvalidParameter(f"a header of the archive has an invalid {what}: {raw[:60]!r}")
