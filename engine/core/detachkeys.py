"""The keys that detach a terminal: ``ctrl-p,ctrl-q`` unless the client names others.

Owns reading their names and finding them in a stream of input. Pure.
"""

from engine.errors import InvalidParameter

DEFAULT_KEYS = "ctrl-p,ctrl-q"
_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse_detach_keys(text: str) -> bytes:
    """Return the bytes that the keys send; an empty text means the default. Raises InvalidParameter."""
    return b"".join(_key(part) for part in (text or DEFAULT_KEYS).split(","))


def _key(part: str) -> bytes:
    if len(part) == 1 and part.isascii():
        return part.encode()
    control = part.removeprefix("ctrl-")
    if part.startswith("ctrl-") and len(control) == 1 and control in _CONTROL:
        return bytes([_CONTROL.index(control)])
    raise InvalidParameter(
        f"invalid detach keys: unknown key {part[:40]!r}, use one character or ctrl- and a letter or one of @[\\]^_"
    )


class DetachScanner:
    """Splits input into what goes on to the program and whether the keys were pressed.

    A beginning of the sequence is held back until it is known not to be one, so a program never sees half of it.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return the bytes to pass on, and True once the whole sequence has been seen."""
        data = self._held + data
        at = data.find(self._keys) if self._keys else -1
        if at >= 0:
            self._held = b""
            return data[:at], True
        keep = self._overlap(data)
        self._held = data[len(data) - keep :] if keep else b""
        return data[: len(data) - keep], False

    def _overlap(self, data: bytes) -> int:
        longest = min(len(self._keys) - 1, len(data))
        return next((length for length in range(longest, 0, -1) if data.endswith(self._keys[:length])), 0)
