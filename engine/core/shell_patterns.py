"""Shell patterns of substitutions (``${a#p}``, ``${a%p}``, ``${a/p/x}``): ``*``, ``?``, escapes, no brackets.

Pure, and never backtracks. They fit any part of a value, across slashes, which is why ``go_patterns`` cannot serve.

A pattern is pieces between stars. Going from the left, the first place of each piece is right but for the last, which alone
decides how long the match is.
"""

import re

from engine.errors import InvalidParameter

# One item a character; None stands for any one.
_Piece = tuple[str | None, ...]


def remove_prefix(value: str, pattern: str, *, escape: str, is_longest: bool) -> str:
    """Cut what matches off the beginning; the value stays where nothing does."""
    end = _match_start(value, _pieces(pattern, escape), is_longest=is_longest)
    return value if end is None else value[end:]


def remove_suffix(value: str, pattern: str, *, escape: str, is_longest: bool) -> str:
    """Cut what matches off the end: the same, read backwards."""
    pieces = [piece[::-1] for piece in reversed(_pieces(pattern, escape))]
    end = _match_start(value[::-1], pieces, is_longest=is_longest)
    return value if end is None else value[: len(value) - end]


def replace_matches(value: str, pattern: str, replacement: str, *, escape: str, replaces_all: bool, longest: int) -> str:
    """Replace the first match, or all, each as long as can be; an empty pattern matches nothing.

    Raises InvalidParameter where the result would pass ``longest`` characters.
    """
    pieces = _pieces(pattern, escape)
    parts: list[str] = []
    position, length = 0, 0
    while pattern and (span := _search(value, pieces, position)):
        parts += (value[position : span[0]], replacement)
        length += span[0] - position + len(replacement)
        if length > longest:
            raise InvalidParameter("a replacement makes a word too long: use shorter values")
        position = span[1]
        if not replaces_all or position >= len(value):
            break
    return "".join([*parts, value[position:]])


def _pieces(pattern: str, escape: str) -> list[_Piece]:
    pieces: list[list[str | None]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            pieces[-1].append(next(characters, escape))
        elif character == "*":
            pieces.append([])
        else:
            pieces[-1].append(None if character == "?" else character)
    return [tuple(piece) for piece in pieces]


def _match_start(value: str, pieces: list[_Piece], *, is_longest: bool) -> int | None:
    """Return where a match that begins the value ends."""
    first = _expression(pieces[0]).match(value)
    return None if first is None else _match_rest(value, pieces, first.end(), is_longest=is_longest)


def _match_rest(value: str, pieces: list[_Piece], position: int, *, is_longest: bool) -> int | None:
    if len(pieces) == 1:
        return position
    for piece in pieces[1:-1]:
        found = _expression(piece).search(value, position)
        if found is None:
            return None
        position = found.end()
    if not is_longest:
        found = _expression(pieces[-1]).search(value, position)
        return None if found is None else found.end()
    backwards = _expression(pieces[-1][::-1]).search(value[position:][::-1])
    return None if backwards is None else len(value) - backwards.start()


def _search(value: str, pieces: list[_Piece], position: int) -> tuple[int, int] | None:
    first = _expression(pieces[0]).search(value, position)
    if first is None:
        return None
    end = _match_rest(value, pieces, first.end(), is_longest=True)
    return None if end is None else (first.start(), end)


def _expression(piece: _Piece) -> re.Pattern[str]:
    return re.compile("".join("." if item is None else re.escape(item) for item in piece), re.DOTALL)
