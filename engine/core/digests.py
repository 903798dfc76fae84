"""Content digests as text: ``sha256:`` and 64 hexadecimal digits. Reads no file; streams are hashed where they are read."""

import hashlib
import re

from engine.core.ids import short_id

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_ID_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


def sha256_of(content: bytes | str) -> str:
    """Return the digest of a text (as UTF-8) or of bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest of the one algorithm that the engine stores things by."""
    return _SHA256.fullmatch(text) is not None


def hex_of(digest: str) -> str:
    """Return the digits of a digest, which is what folders are named by."""
    return digest.removeprefix("sha256:")


def short_digest(digest: str) -> str:
    """Return the form shown to people: the first digits."""
    return short_id(hex_of(digest))


def parse_id_prefix(text: str) -> str | None:
    """Return the digits of a whole or shortened id, with or without its algorithm; None where it cannot be one."""
    match = _ID_PREFIX.fullmatch(text)
    return match[1] if match else None
