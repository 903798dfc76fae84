"""Image references: the grammar of ``[domain/]path[:tag][@digest]`` and the one text form that the engine keeps.

The text form is the familiar one: a short name has no domain and no ``library/``. Which registry a short name stands for is a
setting of the host (``default_domain``), not a rule of this file; names written out with that domain mean the short ones.
Grammar: the ``reference`` package of the distribution project.
"""

import re
from dataclasses import dataclass, replace

from engine.core.digests import is_digest
from engine.errors import InvalidParameter

DEFAULT_TAG = "latest"
MAX_NAME_LENGTH = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_OTHER_NAMES = {"index.docker.io": "docker.io"}  # of Docker Hub, that old clients and files still write
_BARE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A parsed reference. ``domain`` is empty for short names; ``tag`` and ``digest`` are empty where not given."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository: everything but tag and digest."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def text(self) -> str:
        """The familiar form, which reads back to an equal reference."""
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str, *, default_domain: str = "") -> Reference:
    """Read a reference; raises InvalidParameter naming the part that is wrong."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _invalid(text, "the digest after @ is to be sha256: and 64 hexadecimal digits")
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, "a tag is 1 to 128 of letters, digits, underscore, dot and dash, not beginning with dot or dash")
    domain, path = _split_domain(name)
    _check_name(text, domain, path)
    if domain in ("", default_domain):
        domain, path = "", path.removeprefix("library/")
    return Reference(domain, path, tag or "", digest)


def parse_tagged(text: str, *, default_domain: str = "") -> Reference:
    """Read the name to give to an image: no digest, and the default tag where none is written."""
    reference = parse_reference(text, default_domain=default_domain)
    if reference.digest:
        raise _invalid(text, "an image is named by a tag, not by a digest")
    if reference.name in ("sha256", "docker.io/sha256", "docker.io/library/sha256"):
        raise _invalid(text, "refusing to create an ambiguous tag using digest algorithm as name")
    return with_default_tag(reference)


def with_default_tag(reference: Reference) -> Reference:
    """Add ``latest`` to a bare name; a tag or digest stays."""
    return reference if reference.tag or reference.digest else replace(reference, tag=DEFAULT_TAG)


def _split_tag(text: str) -> tuple[str, str | None]:
    # A colon before the last slash belongs to the domain's port.
    name, colon, tag = text.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (text, None)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    return (_OTHER_NAMES.get(first, first), rest) if slash and is_domain(first) else ("", name)


def is_domain(first: str) -> bool:
    """Whether the first part of a name is a registry, not a folder of Docker Hub's."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _check_name(text: str, domain: str, path: str) -> None:
    if path != path.lower():
        raise _invalid(text, "the repository name is to be lower case")
    if (domain and not _DOMAIN.fullmatch(domain)) or not _PATH.fullmatch(path):
        raise _invalid(text, "use [host[:port]/]name[:tag], the name of a-z, 0-9 and single separators")
    if _BARE_ID.fullmatch(path) and not domain:
        raise _invalid(text, "a name of 64 hexadecimal digits would be read as an id")
    if len(domain) + len(path) + 1 > MAX_NAME_LENGTH:
        raise _invalid(text, f"the name is longer than {MAX_NAME_LENGTH} characters")


def _invalid(text: str, reason: str) -> InvalidParameter:
    shown = text if len(text) <= MAX_NAME_LENGTH else f"{text[:MAX_NAME_LENGTH]}…"
    return InvalidParameter(f"invalid reference format {shown!r}: {reason}")
