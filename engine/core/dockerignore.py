"""Which paths of a build context ``.dockerignore`` leaves out: the last pattern that fits a path decides, as in moby.

Pure. Patterns that could make an expression search long are run by an automaton instead (``ignore_patterns``).
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from engine.core.dockerfile_errors import cut
from engine.core.ignore_patterns import Matcher, compile_ignored, literal_prefix
from engine.errors import InvalidParameter

MAX_FILE_BYTES = 1 << 20
MAX_PATTERNS = 2000
MAX_WORK = 4 * 10**9  # characters looked at for all paths of a context together: more than a minute
_RULE_WORK = 10  # what passing over a rule is worth
_CACHED_FOLDERS = 4096
_WHOLE = ("", ".")  # the context itself, which no pattern can mean


@dataclass(frozen=True, slots=True)
class _Rule:
    is_negated: bool
    matcher: Matcher | None  # None: a plain path
    prefix: str  # what stands before the first wildcard


class Ignore:
    """The rules of one file. Asking costs least when folders are asked for before what is in them.

    Which rules fit a path is kept as the bits of a number, the first rule's lowest. What fits a folder fits all in it; but a
    rule that would change nothing for the folder itself is not counted as fitting it, as in moby's matcher.
    """

    def __init__(self, rules: tuple[_Rule, ...]) -> None:
        self._rules = rules
        self._folders: dict[str, int] = {}
        self._work = 0

    def excludes(self, path: str) -> bool:
        """Whether a path, relative to the context, is left out."""
        cleaned = _clean(path)
        fitting = 0 if cleaned in _WHOLE else self._fitting(cleaned)
        return fitting != 0 and not self._rules[fitting.bit_length() - 1].is_negated

    def can_reinclude_below(self, path: str) -> bool:
        """Whether something in an excluded folder may be taken after all; where not, the folder need not be looked into."""
        folder = _clean(path)
        later = self._rules[self._fitting(folder).bit_length() :]
        return any(rule.is_negated and _may_reach(rule.prefix, folder) for rule in later)

    def _fitting(self, path: str) -> int:
        fitting = 0
        slash = path.find("/")
        while slash >= 0:
            fitting = self._of_folder(path[:slash], fitting)
            slash = path.find("/", slash + 1)
        return self._own(path, fitting)

    def _of_folder(self, folder: str, above: int) -> int:
        if folder not in self._folders:
            if len(self._folders) >= _CACHED_FOLDERS:
                self._folders.clear()
            self._folders[folder] = self._own(folder, above)
        return self._folders[folder]

    def _own(self, path: str, above: int) -> int:
        """Return the rules that fit the folder above, and those that change what the rules before them say of the path."""
        self._work += _RULE_WORK * len(self._rules)
        fitting, is_out, bit = above, False, 1
        for rule in self._rules:
            if above & bit or (rule.is_negated == is_out and self._fits(rule, path)):
                fitting |= bit
                is_out = not rule.is_negated
            bit <<= 1
        if self._work > MAX_WORK:
            raise InvalidParameter("the patterns of .dockerignore take too long for so many files: use fewer or simpler ones")
        return fitting

    def _fits(self, rule: _Rule, path: str) -> bool:
        if rule.matcher is None:
            return rule.prefix == path
        self._work += rule.matcher.weight * len(path)
        return rule.matcher.fits(path)


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
