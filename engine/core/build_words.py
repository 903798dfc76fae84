"""The words of a Dockerfile: splitting, quotes, escapes and variables. Knows no instruction.

Bounded on purpose: what a word may become, how deep substitutions nest and how much work patterns make. Grammar: Dockerfile
reference, "Environment replacement".
"""

from collections.abc import Callable, Mapping

from engine.core.shell_patterns import remove_prefix, remove_suffix, replace_matches
from engine.errors import InvalidParameter

MAX_WORD = 128 * 1024  # what the kernel takes as one argument or variable
MAX_DEPTH = 50
MAX_PATTERN = 1024
MAX_WORK = 4 << 20  # characters of values looked at by patterns, in one word

_BLANKS = frozenset(" \t\r\n\v\f")
_NAME_STARTS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_DIGITS = frozenset("0123456789")
_SPECIAL = frozenset("@*#?-$!0")


def expand(word: str, variables: Mapping[str, str], *, escape: str = "\\", longest: int = MAX_WORD) -> str:
    """Return the word without quotes and escapes, its variables replaced; raises InvalidParameter for what cannot be read."""
    return "".join(_Reader(word, variables, escape, longest).read_all())


def expand_words(word: str, variables: Mapping[str, str], *, escape: str = "\\") -> list[str]:
    """The same, split at blanks that are not quoted, those of a variable's value too."""
    reader = _Reader(word, variables, escape, MAX_WORD)
    words = _Words()
    while not reader.is_at_end():
        reader.read_piece(words.add_bare, words.add_quoted)
    return words.finish()


def expand_text(text: str, variables: Mapping[str, str], *, longest: int) -> str:
    """Replace variables in a heredoc: quotes are letters like others, a backslash keeps the next letter as it is."""
    return "".join(_Reader(text, variables, "\\", longest, keeps_quotes=True).read_all())


def strip_quotes(word: str, escape: str = "\\") -> str:
    """Return the word without quotes and escapes, variables as they are; the word itself where a quote is open."""
    try:
        return "".join(_Reader(word, {}, escape, MAX_WORD, keeps_variables=True).read_all())
    except InvalidParameter:
        return word


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split at blanks outside quotes; quotes and escapes stay in the words. An open quote takes the rest."""
    words: list[str] = []
    start, position, quote = -1, 0, ""
    while position < len(text):
        character = text[position]
        if start < 0 and character not in _BLANKS:
            start = position
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif start >= 0 and character in _BLANKS:
            words.append(text[start:position])
            start = -1
        position += 2 if character == escape else 1
    return words if start < 0 else [*words, text[start:]]


class _Words:
    """Gathers letters to words: bare blanks part them, quoted ones do not."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._parts: list[str] = []
        self._is_open = False

    def add_bare(self, text: str) -> None:
        for character in text:
            if character in _BLANKS:
                self._close()
            else:
                self.add_quoted(character)

    def add_quoted(self, text: str) -> None:
        self._parts.append(text)
        self._is_open = True

    def finish(self) -> list[str]:
        self._close()
        return self._words

    def _close(self) -> None:
        if self._is_open:
            self._words.append("".join(self._parts))
        self._parts, self._is_open = [], False


class _Reader:
    """One pass over a word; ``_position`` never goes back, so that a word takes linear time apart from its values."""

    def __init__(
        self,
        word: str,
        variables: Mapping[str, str],
        escape: str,
        longest: int,
        *,
        keeps_quotes: bool = False,
        keeps_variables: bool = False,
    ) -> None:
        self._word, self._variables, self._escape = word, variables, escape
        self._keeps_quotes, self._keeps_variables = keeps_quotes, keeps_variables
        self._position, self._depth, self._work = 0, 0, 0
        self._room, self._longest = longest, longest

    def is_at_end(self) -> bool:
        return self._position >= len(self._word)

    def read_all(self) -> list[str]:
        parts: list[str] = []
        while not self.is_at_end():
            self.read_piece(parts.append, parts.append)
        return parts

    def read_piece(self, bare: Callable[[str], None], quoted: Callable[[str], None], *, keeps_escapes: bool = False) -> None:
        """Read one letter, quotation, escape or variable and hand over what it means."""
        character = self._next()
        if character == "'" and not self._keeps_quotes:
            quoted(self._take(self._single_quoted()))
        elif character == '"' and not self._keeps_quotes:
            quoted("".join(self._double_quoted()))
        elif character == "$" and not self._keeps_variables:
            bare(self._take(self._dollar()))
        elif character == self._escape:
            quoted(self._take((character if keeps_escapes else "") + self._next()))
        else:
            bare(self._take(character))

    def _next(self) -> str:
        self._position += 1
        return self._word[self._position - 1 : self._position]

    def _peek(self) -> str:
        return self._word[self._position : self._position + 1]

    def _take(self, text: str) -> str:
        """Count what is made; nested substitutions count each time they pass a level."""
        self._room -= len(text)
        if self._room < 0:
            raise InvalidParameter(f"a word becomes longer than {self._longest} characters: use shorter values")
        return text

    def _single_quoted(self) -> str:
        end = self._word.find("'", self._position)
        if end < 0:
            raise InvalidParameter("unexpected end of statement while looking for matching single-quote")
        text = self._word[self._position : end]
        self._position = end + 1
        return text

    def _double_quoted(self) -> list[str]:
        parts: list[str] = []
        while character := self._next():
            if character == '"':
                return parts
            if character == "$" and not self._keeps_variables:
                parts.append(self._take(self._dollar()))
            elif character == self._escape and self._peek() in ('"', "$", self._escape, ""):
                parts.append(self._take(self._next()))
            else:
                parts.append(self._take(character))
        raise InvalidParameter("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._position += 1
        if self._peek() in ("", "{", "}", ":"):
            raise InvalidParameter("syntax error: missing '}'" if not self._peek() else "syntax error: bad substitution")
        name = self._name()
        return self._substitution(name)

    def _name(self) -> str:
        """Letters, digits and underscores; or digits; or one of the shell's special parameters."""
        start = self._position
        first = self._peek()
        if first in _NAME_STARTS:
            while self._peek() and (self._peek() in _NAME_STARTS or self._peek() in _DIGITS):
                self._position += 1
        elif first in _DIGITS:
            while self._peek() and self._peek() in _DIGITS:
                self._position += 1
        elif first in _SPECIAL:
            self._position += 1
        return self._word[start : self._position]

    def _substitution(self, name: str) -> str:
        value = self._variables.get(name)
        modifier = self._next()
        if modifier == "}":
            return value or ""
        takes_empty = modifier == ":"
        if takes_empty:
            modifier = self._next()
        if modifier in ("-", "+", "?") and name:
            return self._default(name, None if takes_empty and not value else value, modifier, is_set=value is not None)
        if modifier in ("#", "%") and name and not takes_empty:
            return self._trimmed(value or "", modifier)
        if modifier == "/" and name and not takes_empty:
            return self._replaced(value or "")
        if not modifier:
            raise InvalidParameter("syntax error: missing '}'")
        shown = f"{':' if takes_empty else ''}{modifier}"
        raise InvalidParameter(f"unsupported modifier ({shown}) in substitution: use one of :- - :+ + :? ? # ## % %% / //")

    def _default(self, name: str, value: str | None, modifier: str, *, is_set: bool) -> str:
        word = self._until("}")
        if modifier == "-":
            return word if value is None else value
        if modifier == "+":
            return "" if value is None else word
        if value is None:
            raise InvalidParameter(f"{name}: {word or 'is not allowed to be ' + ('empty' if is_set else 'unset')}")
        return value

    def _trimmed(self, value: str, modifier: str) -> str:
        is_longest = self._peek() == modifier
        self._position += is_longest
        pattern = self._until("}", keeps_escapes=True)
        self._count_work(value, pattern)
        remove = remove_prefix if modifier == "#" else remove_suffix
        return remove(value, pattern, escape=self._escape, is_longest=is_longest)

    def _replaced(self, value: str) -> str:
        replaces_all = self._peek() == "/"
        self._position += replaces_all
        pattern = self._until("/", keeps_escapes=True)
        replacement = self._until("}")
        self._count_work(value, pattern)
        return replace_matches(
            value, pattern, replacement, escape=self._escape, replaces_all=replaces_all, longest=self._room + len(value)
        )

    def _until(self, stop: str, *, keeps_escapes: bool = False) -> str:
        """Read a substitution's word up to ``stop``; it may hold quotes and substitutions itself."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidParameter(f"substitutions nested deeper than {MAX_DEPTH}")
        parts: list[str] = []
        while self._peek() != stop:
            if self.is_at_end():
                raise InvalidParameter(f"syntax error: missing '{stop}'")
            self.read_piece(parts.append, parts.append, keeps_escapes=keeps_escapes)
        self._position += 1
        self._depth -= 1
        return "".join(parts)

    def _count_work(self, value: str, pattern: str) -> None:
        self._work += (len(value) + 1) * (len(pattern) + 1)
        if len(pattern) > MAX_PATTERN or self._work > MAX_WORK:
            raise InvalidParameter("patterns of a word take too long: use shorter values or patterns")
