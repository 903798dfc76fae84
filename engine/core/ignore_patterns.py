"""One pattern of a ``.dockerignore``: as ``filepath.Match``, and ``**`` for any number of folders.

Pure, and bounded: expressions are used where they cannot go back over the same text many times, else an automaton that looks at
each character once.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from engine.core.go_patterns import CharacterClass, Token, Wild, fits, has_meta, parse_pattern

_MOST_STEPS = 1024  # characters whose steps are kept


class Deep(Enum):
    """``**``: any folders, each with its slash, or none; at the end of a pattern whatever follows."""

    FOLDERS = "**/"
    REST = "**"


Part = Token | Deep


class Matcher(Protocol):
    """Tells whether a whole path fits. ``weight``: what looking at one character costs, compared with an expression."""

    weight: int

    def fits(self, path: str) -> bool: ...


def compile_ignored(pattern: str) -> Matcher | None:
    """Return the matcher of a cleaned pattern, None for a plain path; raises InvalidParameter for one that is none."""
    if not has_meta(pattern):
        return None
    parts = _deepen(parse_pattern(pattern))
    stars = sum(part is Wild.STAR for part in parts)
    folders = sum(part is Deep.FOLDERS for part in parts)
    return _Expression(parts) if stars <= 2 and folders <= 1 else _Automaton(parts)


def literal_prefix(pattern: str) -> str:
    """Return what stands before the first sign that may fit several texts."""
    end = next((index for index, character in enumerate(pattern) if has_meta(character)), len(pattern))
    return pattern[:end]


def _deepen(tokens: Sequence[Token]) -> list[Part]:
    parts: list[Part] = []
    index = 0
    while index < len(tokens):
        if tokens[index] is not Wild.STAR or tokens[index + 1 : index + 2] != (Wild.STAR,):
            parts.append(tokens[index])
            index += 1
            continue
        index += 2
        if tokens[index : index + 1] == ("/",):
            index += 1
        if parts[-1:] == [Deep.FOLDERS]:
            parts.pop()
        parts.append(Deep.FOLDERS if index < len(tokens) else Deep.REST)
    return parts


class _Expression:
    weight = 1

    def __init__(self, parts: Sequence[Part]) -> None:
        self._expression = re.compile("".join(map(_source, parts)), re.DOTALL)

    def fits(self, path: str) -> bool:
        return self._expression.fullmatch(path) is not None


_SOURCES: dict[Part, str] = {Wild.STAR: "[^/]*", Wild.ONE: "[^/]", Deep.FOLDERS: "(?:.*/)?", Deep.REST: ".*"}


def _source(part: Part) -> str:
    if isinstance(part, CharacterClass):
        ranges = [f"{re.escape(low)}-{re.escape(high)}" for low, high in part.ranges if low <= high]
        if not ranges:
            return "." if part.is_negated else "(?!)"
        return f"[{'^' if part.is_negated else ''}{''.join(ranges)}]"
    return re.escape(part) if isinstance(part, str) else _SOURCES[part]


class _Automaton:
    """All states at once, as the bits of a number: bit n is set when the first n parts fit what was read so far.

    A ``Deep.FOLDERS`` takes two bits, one to enter or pass by, one to stay in until a slash.
    """

    weight = 40

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts: list[Part] = []
        self._skips, self._doubles = 0, 0
        self._stays_any, self._stays_name, self._leaves_at_slash = 0, 0, 0
        for part in parts:
            self._add(part)
        self._accepting = 1 << len(self._parts)
        self._steps: dict[str, int] = {}

    def _add(self, part: Part) -> None:
        bit = 1 << len(self._parts)
        self._parts.append(part)
        if part is Wild.STAR:
            self._skips |= bit
            self._stays_name |= bit
        elif part is Deep.REST:
            self._skips |= bit
            self._stays_any |= bit
        elif part is Deep.FOLDERS:
            self._parts.append(part)
            self._skips |= bit
            self._doubles |= bit
            self._stays_any |= bit << 1
            self._leaves_at_slash |= bit << 1

    def fits(self, path: str) -> bool:
        states = self._settle(1)
        for character in path:
            stays = self._stays_any if character == "/" else self._stays_any | self._stays_name
            states = self._settle((states & stays) | (states & self._step(character)) << 1)
            if not states:
                return False
        return bool(states & self._accepting)

    def _settle(self, states: int) -> int:
        """Pass by what may be left out, until nothing is added."""
        while (more := states | (states & self._skips) << 1 | (states & self._doubles) << 2) != states:
            states = more
        return states

    def _step(self, character: str) -> int:
        """Return the states from which this character leads to the next one."""
        if character not in self._steps:
            found = self._leaves_at_slash if character == "/" else 0
            for index, part in enumerate(self._parts):
                if part is not Wild.STAR and not isinstance(part, Deep) and fits(part, character):
                    found |= 1 << index
            if len(self._steps) > _MOST_STEPS:
                self._steps.clear()
            self._steps[character] = found
        return self._steps[character]
