"""Patterns of image names: ``busybox``, ``busybox:1.*``, ``atelier/*``, ``registry.example:5000/class/**``.

Pure. ``*`` and ``?`` stay within one part of a path, ``**`` does not; time is bounded by the two lengths multiplied. A pattern is
laid on the name as it is usually written and as it is written out, with its tag and without: one without fits all. A registry
that is told from a folder of Docker Hub's by a capital letter alone keeps it: ``Class/tool`` is not ``class/tool``.
"""

import re
from functools import lru_cache
from itertools import takewhile

from engine.core.references import DEFAULT_TAG, Reference, is_domain
from engine.core.registries import DOCKER_HUB, normalise_domain, path_on
from engine.errors import InvalidParameter

MOST_PATTERNS = 200
_LONGEST = 400
_PATTERN = re.compile(r"[A-Za-z0-9._:@/*?-]+")
_SIGN = re.compile(r"\*\*+|.", re.DOTALL)
_PLAIN = re.compile(r"[^*?]*")
_ANYTHING, _STARS = "**", ("*", "**")


def check_pattern(text: str) -> None:
    """Raise InvalidParameter for what fits no name."""
    if len(text) > _LONGEST or not _PATTERN.fullmatch(text):
        raise InvalidParameter(
            f"invalid image pattern {text[:80]!r}: use a name such as busybox, atelier/*, registry.example:5000/class/**,"
            f" of at most {_LONGEST} letters, digits and . _ - : / @ * ?"
        )


def fits(pattern: str, reference: Reference) -> bool:
    """Whether a pattern stands for a reference. One that has a digest is known by it: its tag says nothing."""
    plain = _PLAIN.match(pattern)
    begin = plain[0] if plain else ""  # most patterns are told apart from most names by this
    return any(form.startswith(begin) and _matches(_signs(pattern), form) for form in _forms(reference))


@lru_cache(maxsize=256)
def _forms(reference: Reference) -> tuple[str, ...]:
    domain = _as_written(normalise_domain(reference.domain), reference)
    path = reference.path.removeprefix("library/") if domain == DOCKER_HUB else reference.path
    usual = path if domain == DOCKER_HUB else f"{domain}/{path}"
    names = dict.fromkeys((usual, f"{domain}/{path}", f"{domain}/{path_on(domain, path)}"))
    if reference.digest:
        return tuple(form for name in names for form in (name, f"{name}@{reference.digest}"))
    return tuple(form for name in names for form in (name, f"{name}:{reference.tag or DEFAULT_TAG}"))


def _as_written(domain: str, reference: Reference) -> str:
    return domain if is_domain(domain) else reference.domain


def reaches_registry(pattern: str, domain: str) -> bool:
    """Whether a pattern stands for names in a registry; ``domain`` is normalised. Docker Hub is any pattern's."""
    first, slash, _ = pattern.partition("/")
    return domain == DOCKER_HUB or _ANYTHING in first or (bool(slash) and _matches(_signs(first), domain))


@lru_cache(maxsize=1024)
def _signs(pattern: str) -> tuple[str, ...]:
    return tuple(_ANYTHING if sign.startswith(_ANYTHING) else sign for sign in _SIGN.findall(pattern))


def _matches(signs: tuple[str, ...], name: str) -> bool:
    """All places that the pattern can be at are followed at once."""
    places = _after_stars({0}, signs)
    for character in name:
        places = _after_stars({after for place in places for after in _next(place, signs, character)}, signs)
    return len(signs) in places


def _after_stars(places: set[int], signs: tuple[str, ...]) -> set[int]:
    """Stars may stand for nothing."""
    found: set[int] = set()
    for start in places:
        stars = takewhile(lambda place: signs[place] in _STARS, range(start, len(signs)))
        found.update((start, *(place + 1 for place in stars)))
    return found


def _next(place: int, signs: tuple[str, ...], character: str) -> tuple[int, ...]:
    if place >= len(signs):
        return ()
    sign = signs[place]
    if sign == _ANYTHING or (sign in _STARS and character != "/"):
        return (place,)
    return (place + 1,) if sign == character or (sign == "?" and character != "/") else ()
