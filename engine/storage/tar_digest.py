"""What is learned of a plain tar while it passes: its diff id and length. Bounds the length."""

import hashlib

from engine.errors import InvalidParameter

# Whatever a stream expands to: holes need no place, but reading them takes a processor's time.
MOST_BYTES = 64 << 30


class TarDigest:
    """Shown every byte in order."""

    def __init__(self) -> None:
        self.size = 0
        self._hasher = hashlib.sha256()

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._hasher.hexdigest()}"

    def expect(self, size: int) -> None:
        """Raises InvalidParameter where so much more makes a layer absurdly long."""
        if self.size + size > MOST_BYTES:
            raise InvalidParameter(f"the layer is longer than {MOST_BYTES >> 30} GiB")

    def observe(self, block: bytes) -> None:
        """Raises InvalidParameter as ``expect`` does."""
        self.expect(len(block))
        self.size += len(block)
        self._hasher.update(block)
