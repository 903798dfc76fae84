"""How many parts a JSON text has, told before it is read. Pure.

Readers of JSON let nothing else run meanwhile, and take the longer the more parts there are, whatever their length.
"""

from engine.errors import InvalidParameter

MOST_PARTS = 200_000  # commas and brackets; all ports that there are, exposed, make two thirds of it


def check_parts(raw: bytes, name: str) -> None:
    """Raise InvalidParameter for a text that would take long to read; ``name`` is how the message calls it."""
    if len(raw) > MOST_PARTS and sum(map(raw.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise InvalidParameter(f"{name} has too many parts: more than {MOST_PARTS} commas and brackets, use fewer entries")
