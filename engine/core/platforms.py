"""Platforms: what an image is built for, the grammar of ``os[/architecture[/variant]]``, and which of several fits best.

Pure: which platform this machine has is told by the image room. Names are Go's, as in images everywhere.
"""

import re
from dataclasses import dataclass, replace

from engine.errors import InvalidParameter

_PART = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SYSTEMS = frozenset(
    ("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "aix", "android", "plan9", "wasip1")
)
# How else people and compilers call them: (architecture, variant).
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_ARCHITECTURES = frozenset(
    (
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
        "wasm",
    )
)
# The variant that an unsaid one means, as containerd normalises.
_PLAIN = {"arm64": "v8", "amd64": "v1"}


@dataclass(frozen=True, slots=True)
class Platform:
    """``architecture`` and ``variant`` are empty where nothing is said of them."""

    os: str = "linux"
    architecture: str = ""
    variant: str = ""

    @property
    def text(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def parse_platform(text: str) -> Platform:
    """Read ``os``, ``architecture``, ``os/architecture`` or ``os/architecture/variant``; what is unsaid stays empty.

    Raises InvalidParameter for anything else.
    """
    parts = text.split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise _invalid(text, "use os/architecture/variant, as linux/amd64 or linux/arm/v7")
    if len(parts) > 1:
        return normalise(Platform(*parts))
    return _from_one_word(text)


def _from_one_word(text: str) -> Platform:
    word = text.lower()
    if word in _SYSTEMS:
        return Platform(word)
    if word in _ARCHITECTURES or word in _ALIASES:
        return normalise(Platform("linux", word))
    raise _invalid(text, "unknown operating system or architecture: invalid argument")  # clients look for these words


def _invalid(text: str, reason: str) -> InvalidParameter:
    return InvalidParameter(f"invalid platform {text[:80]!r}: {reason}")


def normalise(platform: Platform) -> Platform:
    """Give a platform its one spelling: Go's names, and no variant that goes without saying."""
    system = {"macos": "darwin"}.get(platform.os.lower(), platform.os.lower())
    architecture, variant = platform.architecture.lower(), platform.variant.lower()
    if architecture in _ALIASES:
        architecture, usual = _ALIASES[architecture]
        variant = variant or usual
    if variant.isdigit():
        variant = f"v{variant}"
    if architecture == "arm" and not variant:
        variant = "v7"
    return Platform(system, architecture, "" if _PLAIN.get(architecture) == variant else variant)


def complete(platform: Platform, host: Platform) -> Platform:
    """Fill in what is unsaid from the platform of the host."""
    if platform.architecture:
        return platform
    return replace(platform, architecture=host.architecture, variant=host.variant)


def fitness(offered: Platform, wanted: Platform) -> int | None:
    """Return how well an image for ``offered`` runs where ``wanted`` is asked for: greater is better, None not at all.

    An older variant of the same architecture runs too, less well.
    """
    offer, wish = normalise(offered), normalise(wanted)
    if offer.os != wish.os or (wish.architecture and offer.architecture != wish.architecture):
        return None
    older = _version(wish) - _version(offer)
    return None if older < 0 and wish.architecture else 100 - max(older, 0)


def _version(platform: Platform) -> int:
    """The number of a variant; one without a number counts as its architecture's plainest."""
    text = platform.variant or _PLAIN.get(platform.architecture, "v0")
    return int(text[1:]) if re.fullmatch(r"v[0-9]{1,3}", text) else 0
