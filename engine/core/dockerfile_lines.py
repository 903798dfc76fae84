"""A Dockerfile's lines: parser directives, comments, continuation, heredocs. Knows no instruction's arguments.

Time is linear in the size of the file, which is bounded. Grammar: Dockerfile reference,
"Format", "Parser directives", "Here-Documents".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.core.build_words import split_words, strip_quotes
from engine.core.dockerfile_errors import DockerfileError, cut, quoted
from engine.core.dockerfile_instructions import Heredoc
from engine.errors import InvalidParameter

MAX_FILE_BYTES = 1 << 20
MAX_INSTRUCTIONS = 1000
MAX_HEREDOCS = 100

_DIRECTIVES = ("syntax", "escape", "check")
_DIRECTIVE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_MARKER = re.compile(r"[0-9]*<<(-?)([^<]*)")
_SPACED_NAME = re.compile(r"(['\"]?)[A-Za-z_][A-Za-z0-9_.]*\1")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")
_BLANKS = " \t\r\v\f"
_SOME_BLANKS = re.compile(f"[{_BLANKS}]+")


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One instruction's text with its continuation lines joined. ``start`` and ``end`` count from 1."""

    text: str
    start: int
    end: int
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Directives:
    """What the first comments of a file ask of its reader."""

    escape: str = "\\"
    syntax: str = ""
    check: str = ""


def decode_file(text: str | bytes, name: str) -> str:
    """Return the file's text without a byte order mark; raises InvalidParameter for what is no text, empty or too long."""
    raw = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if len(raw) > MAX_FILE_BYTES:
        raise InvalidParameter(f"the Dockerfile ({cut(name)}) is longer than {MAX_FILE_BYTES} bytes: shorten it")
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DockerfileError("this is not UTF-8 text", line=raw.count(b"\n", 0, error.start) + 1) from error
    if not decoded.strip():
        raise InvalidParameter(f"the Dockerfile ({cut(name)}) cannot be empty")
    if "\0" in decoded:
        raise DockerfileError("a null byte is no part of a Dockerfile", line=decoded.count("\n", 0, decoded.index("\0")) + 1)
    return decoded


def split_lines(text: str) -> list[str]:
    """Return the physical lines with their ends cut off."""
    return [line.removesuffix("\r") for line in text.split("\n")]


def read_directives(lines: list[str]) -> Directives:
    """Read the directives at the top: the first line that is none ends them."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, value = _directive(line)
        if name not in _DIRECTIVES:
            break
        if name in found:
            raise DockerfileError(f"only one {name} parser directive can be used", line=number, text=line)
        if name == "escape" and value not in ("\\", "`"):
            raise DockerfileError(f"invalid escape token {quoted(value)}: it must be \\ or `", line=number, text=line)
        found[name] = value
    return Directives(**found)


def _directive(line: str) -> tuple[str, str]:
    stripped = line.strip(_BLANKS)
    name, equals, value = stripped[1:].partition("=")
    name, value = name.strip(_BLANKS), value.strip(_BLANKS)
    is_directive = stripped.startswith("#") and equals and value and _DIRECTIVE_NAME.fullmatch(name)
    return (name.lower(), value) if is_directive else ("", "")


def read_lines(lines: list[str], raw: list[str], escape: str) -> Iterator[LogicalLine]:
    """Yield each instruction. ``raw`` are the same lines with their carriage returns, which a heredoc's content keeps."""
    position = 0
    while position < len(lines):
        start = position
        text, position = _join(lines, position, escape)
        if not text:
            continue
        heredocs, position = _read_heredocs(text, lines, raw, position, start=start + 1, escape=escape)
        yield LogicalLine(text, start + 1, position, heredocs)


def _join(lines: list[str], position: int, escape: str) -> tuple[str, int]:
    """Join a line with those that continue it; empty for a comment or an empty line."""
    if _is_comment(lines[position]) or not lines[position].strip(_BLANKS):
        return "", position + 1
    part, goes_on = _cut_continuation(lines[position], escape)
    parts = [part.lstrip(_BLANKS)]
    position += 1
    while goes_on and position < len(lines):
        line = lines[position]
        position += 1
        if _is_comment(line) or not line.strip(_BLANKS):
            continue
        part, goes_on = _cut_continuation(line, escape)
        parts.append(part)
    return "".join(parts).strip(_BLANKS), position


def _is_comment(line: str) -> bool:
    return line.lstrip(_BLANKS).startswith("#")


def _cut_continuation(line: str, escape: str) -> tuple[str, bool]:
    """A line goes on when it ends in one escape character, blanks after it not counted; two of them are one that is meant."""
    bare = line.rstrip(" \t")
    if not bare.endswith(escape) or bare.endswith(escape * 2):
        return line, False
    return bare[:-1], True


def _read_heredocs(
    text: str, lines: list[str], raw: list[str], position: int, *, start: int, escape: str
) -> tuple[tuple[Heredoc, ...], int]:
    heredocs: list[Heredoc] = []
    for name, cuts_tabs, is_expanded in heredoc_markers(text, escape):
        if len(heredocs) == MAX_HEREDOCS:
            raise DockerfileError(f"more than {MAX_HEREDOCS} heredocs in one instruction", line=start, text=text)
        end = _find_end(name, lines, position, cuts_tabs=cuts_tabs)
        if end is None:
            raise DockerfileError(f"unterminated heredoc: expected a line {quoted(name)}", line=start, text=text)
        content = [line.lstrip("\t") if cuts_tabs else line for line in raw[position:end]]
        heredocs.append(Heredoc(name, "".join(f"{line}\n" for line in content), is_expanded))
        position = end + 1
    return tuple(heredocs), position


def _find_end(name: str, lines: list[str], position: int, *, cuts_tabs: bool) -> int | None:
    for index in range(position, len(lines)):
        if (lines[index].lstrip("\t") if cuts_tabs else lines[index]) == name:
            return index
    return None


def heredoc_markers(text: str, escape: str) -> list[tuple[str, bool, bool]]:
    """Return name, whether tabs are cut and whether variables are expanded, for each ``<<name`` of an instruction."""
    word, rest = split_word(text)
    if word.upper() == "ONBUILD":
        word, rest = split_word(rest)
    if word.upper() not in _WITH_HEREDOCS or "<<" not in rest:
        return []
    words = split_words(rest, escape)
    return [(name, cuts_tabs, is_expanded) for _, _, name, cuts_tabs, is_expanded in _markers(words, escape)]


def without_markers(text: str, escape: str) -> list[str]:
    """Return the words that are neither a heredoc's marker nor its name."""
    words = split_words(text, escape)
    taken = {index for start, end, *_ in _markers(words, escape) for index in range(start, end)}
    return [word for index, word in enumerate(words) if index not in taken]


def split_word(text: str) -> tuple[str, str]:
    """Part the first word from the rest, blanks between them left out."""
    parts = _SOME_BLANKS.split(text.strip(_BLANKS), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def split_blanks(text: str) -> list[str]:
    """Part words that have no quotes."""
    return [word for word in _SOME_BLANKS.split(text) if word]


def _markers(words: list[str], escape: str) -> Iterator[tuple[int, int, str, bool, bool]]:
    index = 0
    while index < len(words):
        match = _MARKER.fullmatch(words[index])
        following = words[index + 1] if index + 1 < len(words) else ""
        start, index = index, index + 1
        if match is None:
            continue
        written = match[2]
        # A blank before the name is allowed, but 1 << 2 in a shell's arithmetic is no heredoc.
        if not written and _SPACED_NAME.fullmatch(following):
            written, index = following, index + 1
        name = strip_quotes(written, escape)
        if name:
            yield start, index, name, bool(match[1]), name == written
