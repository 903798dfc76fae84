"""Which paths of a build context ``.dockerignore`` leaves out: the last pattern that fits a path or a folder above it decides.

Pure; moby's rules. Patterns that could make an expression search long are run by an automaton instead (``ignore_patterns``).
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from engine.core.dockerfile_errors import cut
from engine.core.ignore_patterns import Matcher, compile_ignored, literal_prefix
from engine.errors import InvalidParameter

MAX_FILE_BYTES = 1 << 20
MAX_PATTERNS = 2000
_CACHED_FOLDERS = 4096
_NONE = -1
_WHOLE = ("", ".")  # the context itself, which no pattern can mean


@dataclass(frozen=True, slots=True)
class _Rule:
    is_negated: bool
    matcher: Matcher
    prefix: str  # names that stand before the first wildcard


class Ignore:
    """The rules of one file. Asking costs least when folders are asked for before what is in them."""

    def __init__(self, rules: tuple[_Rule, ...]) -> None:
        self._rules = rules
        self._deciding: dict[str, int] = {}

    def excludes(self, path: str) -> bool:
        """Whether a path, relative to the context, is left out."""
        cleaned = _clean(path)
        deciding = _NONE if cleaned in _WHOLE else self._last_rule(cleaned)
        return deciding != _NONE and not self._rules[deciding].is_negated

    def can_reinclude_below(self, path: str) -> bool:
        """Whether something in an excluded folder may be taken after all; where not, the folder need not be looked into."""
        folder = _clean(path)
        later = self._rules[self._last_rule(folder) + 1 :]
        return any(rule.is_negated and _may_reach(rule.prefix, folder) for rule in later)

    def _last_rule(self, path: str) -> int:
        """Return the number of the last rule that fits the path or a folder above it."""
        deciding = _NONE
        slash = path.find("/")
        while slash >= 0:
            deciding = self._of_folder(path[:slash], deciding)
            slash = path.find("/", slash + 1)
        return self._last_fitting(path, deciding)

    def _of_folder(self, folder: str, at_least: int) -> int:
        if folder not in self._deciding:
            if len(self._deciding) >= _CACHED_FOLDERS:
                self._deciding.clear()
            self._deciding[folder] = self._last_fitting(folder, at_least)
        return self._deciding[folder]

    def _last_fitting(self, path: str, at_least: int) -> int:
        for number in range(len(self._rules) - 1, at_least, -1):
            if self._rules[number].matcher.fits(path):
                return number
        return at_least


def parse_dockerignore(text: str | bytes) -> Ignore:
    """Read the file; raises InvalidParameter with the line for a pattern that is none."""
    if len(text) > MAX_FILE_BYTES:
        raise InvalidParameter(f".dockerignore is longer than {MAX_FILE_BYTES} bytes: shorten it")
    decoded = text.decode(errors="surrogateescape") if isinstance(text, bytes) else text
    return Ignore(tuple(_rules(decoded.removeprefix("\ufeff"))))


def _rules(text: str) -> Iterator[_Rule]:
    count = 0
    for number, line in enumerate(text.split("\n"), 1):
        # Only a sign in the very first column makes a comment.
        if line.startswith("#") or not line.strip():
            continue
        count += 1
        if count > MAX_PATTERNS:
            raise InvalidParameter(f".dockerignore line {number}: more than {MAX_PATTERNS} patterns")
        try:
            yield _rule(line.strip())
        except InvalidParameter as error:
            raise InvalidParameter(f".dockerignore line {number}: {error.message}") from error


def _rule(line: str) -> _Rule:
    is_negated = line.startswith("!")
    pattern = line[1:].strip() if is_negated else line
    if not pattern:
        raise InvalidParameter(f"illegal exclusion pattern {cut(line)!r}: write !name")
    pattern = _clean(pattern)
    return _Rule(is_negated, compile_ignored(pattern), literal_prefix(pattern))


def _clean(path: str) -> str:
    return posixpath.normpath(path).lstrip("/")


def _may_reach(prefix: str, folder: str) -> bool:
    """Whether a pattern that begins with ``prefix`` may fit something in ``folder``."""
    shorter, longer = sorted((prefix, f"{folder}/"), key=len)
    return longer.startswith(shorter)
