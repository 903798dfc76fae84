"""Texts and numbers as Go's ``%q`` quotes them, which image histories are full of. Pure."""

_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_LAST_RUNE = 0x10FFFF


def quote_text(text: str) -> str:
    """Return a text in double quotes."""
    return f'"{"".join(_escape(character, quote=chr(34)) for character in text)}"'


def quote_rune(number: int) -> str:
    """Return a whole number as the character it stands for, in single quotes."""
    return f"'{_escape(chr(number) if 0 <= number <= _LAST_RUNE else chr(0xFFFD), quote=chr(39))}'"


def _escape(character: str, *, quote: str) -> str:
    if character == quote:
        return f"\\{character}"
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    # Of the blanks only the plain one counts as printable in Go.
    if character == " " or (character.isprintable() and not character.isspace()):
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
