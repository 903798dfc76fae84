"""Ids of containers and execs: 64 hex digits, often shortened by people.

Pure: randomness is handed in.
"""

import re

ID_BYTES = 32
SHORT_LENGTH = 12
_HEX = re.compile(r"[0-9a-f]{1,64}")


def format_id(random: bytes) -> str:
    """Turn 32 random bytes into an id."""
    return random.hex()


def is_acceptable_id(text: str) -> bool:
    """Tell whether a new container may carry this id.

    A short id of digits only, being the default hostname, would be read as an address by some resolvers.
    """
    return not text[:SHORT_LENGTH].isdigit()


def is_id_prefix(text: str) -> bool:
    """Tell whether ``text`` could be the beginning of an id."""
    return _HEX.fullmatch(text) is not None


def short_id(object_id: str) -> str:
    """Return the form shown to people."""
    return object_id[:SHORT_LENGTH]
