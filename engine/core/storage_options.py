"""Options of a container's writable files (``--storage-opt``): how large they may become. Pure."""

from collections.abc import Mapping

from engine.core.sizes import parse_size
from engine.errors import InvalidParameter

LEAST_BYTES = 4 << 20  # below this the kernel has no room for the folders of an overlay, as it reserves more than it uses
_SIZE = "size"


def storage_limit(options: Mapping[str, str]) -> int | None:
    """Return the limit in bytes, None for none. Raises InvalidParameter."""
    for name in options:
        if name.lower() != _SIZE:
            raise InvalidParameter(f"unknown storage option {name[:60]!r}: there is size")
    text = next(iter(options.values()), None)
    if text is None:
        return None
    size = parse_size(text)
    if size is None or len(options) > 1:
        raise InvalidParameter(f"invalid storage option size {text[:40]!r}: use a size such as 500m or 10g")
    if size < LEAST_BYTES:
        raise InvalidParameter(f"invalid storage option size {text[:40]!r}: the least is {LEAST_BYTES >> 20}m")
    return size
