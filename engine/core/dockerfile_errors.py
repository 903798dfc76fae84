"""What is said of a Dockerfile that cannot be read: the line's number, the reason, and the line itself.

The first words are dockerd's, which clients look for.
"""

from engine.errors import InvalidParameter

_LONGEST_SHOWN = 200


class DockerfileError(InvalidParameter):
    """A line cannot be understood. ``reason`` alone is for callers that have no file to point at."""

    def __init__(self, reason: str, *, line: int, text: str = "") -> None:
        shown = "".join(f"\n{line:>4} | {cut(text, _LONGEST_SHOWN)}" if text else "")
        super().__init__(f"dockerfile parse error on line {line}: {reason}{shown}")
        self.reason = reason
        self.line = line


def cut(text: str, longest: int = 60) -> str:
    """Return the text as one printable line of bounded length."""
    line = text[: longest + 1].replace("\n", " ")
    shown = "".join(character if character.isprintable() or character == "\t" else "�" for character in line)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def quoted(text: str) -> str:
    """Return the text in double quotes, shortened, as part of a message."""
    return f'"{cut(text)}"'
