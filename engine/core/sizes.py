"""Amounts of bytes as Docker's clients write them: ``10m``, ``1.5G``, ``512KiB``. Pure."""

import re

_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?([kmgtp]?)i?b?", re.IGNORECASE | re.ASCII)
_POWERS = " kmgtp"
_MOST_BYTES = 2**62


def parse_size(text: str) -> int | None:
    """Return the bytes, in powers of 1024; None for what is no positive size."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * 1024 ** _POWERS.index(match[2].lower() or " ")) if match else 0
    return size if 0 < size < _MOST_BYTES else None
