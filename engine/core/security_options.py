"""``--security-opt`` as Docker's clients write it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import InvalidParameter

_TRUE, _FALSE = ("", "true", "1"), ("false", "0")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """``seccomp`` as in HostConfig: empty, ``unconfined`` or a document. ``labels`` are of AppArmor and SELinux, as they came."""

    no_new_privileges: bool = False
    seccomp: str = ""
    labels: tuple[str, ...] = ()
    unconfined_paths: bool = False
    writable_cgroups: bool = False

    @property
    def unapplied(self) -> tuple[str, ...]:
        """Labels that ask for something: this engine applies neither AppArmor profiles nor SELinux labels."""
        return tuple(label for label in self.labels if _value(label) not in ("unconfined", "disable"))


def parse_security_options(options: Sequence[str]) -> SecurityOptions:
    """Read the options; a colon stands for the first equals sign in older clients. Raises InvalidParameter."""
    flags, seccomp, labels = {"no-new-privileges": False, "writable-cgroups": False}, "", []
    unconfined_paths = False
    for option in options:
        name, value = _split(option)
        if name in flags:
            flags[name] = _flag(option, value)
        elif name == "seccomp":
            seccomp = _profile(value)
        elif name in ("apparmor", "label"):
            labels.append(option)
        elif name == "systempaths" and value == "unconfined":
            unconfined_paths = True
        else:
            raise InvalidParameter(
                f"invalid security option {option[:_SHOWN]!r}: use no-new-privileges, seccomp=<profile>, seccomp=unconfined,"
                " apparmor=<profile>, label=<label>, systempaths=unconfined or writable-cgroups=true"
            )
    return SecurityOptions(flags["no-new-privileges"], seccomp, tuple(labels), unconfined_paths, flags["writable-cgroups"])


def without_profile(option: str) -> str:
    """Return an option as it came, with nothing behind the name where that is a profile's document, which is kept once, apart."""
    name, value = _split(option)
    return f"{name}=" if name == "seccomp" and value.lstrip().startswith("{") else option


def _split(option: str) -> tuple[str, str]:
    """At the first of both signs: a profile is full of colons."""
    equals, colon = option.find("="), option.find(":")
    places = [place for place in (equals, colon) if place >= 0]
    if not places:
        return option, ""
    return option[: min(places)], option[min(places) + 1 :]


def _value(option: str) -> str:
    return _split(option)[1]


def _flag(option: str, value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InvalidParameter(f"invalid security option {option[:_SHOWN]!r}: use true or false")


def _profile(value: str) -> str:
    if value in ("builtin", "default"):
        return ""
    if value == "unconfined" or value.lstrip().startswith("{"):
        return value
    raise InvalidParameter(f"invalid seccomp profile {value[:_SHOWN]!r}: give the profile's JSON, builtin or unconfined")
