"""Links from one container to another: how they are written, and what the one gets to know of the other. Pure.

As with dockerd: lines of ``/etc/hosts`` and variables of the environment on the default bridge, a name on networks of users.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.core.networks import check_aliases
from engine.core.ports import TCP, Port
from engine.errors import InvalidParameter

_MOST_LINKS = 64
_NOT_TOLD = frozenset({"HOME", "PATH"})


class Link(NamedTuple):
    """Another container, by name or id, and the name that it is to have for this one."""

    target: str
    alias: str

    def __str__(self) -> str:
        return f"{self.target}:{self.alias}"


class Linked(NamedTuple):
    """What is known of a running container that is linked. ``link_name`` is that of the link, as dockerd writes it."""

    link_name: str
    alias: str
    address: str
    name: str
    hostname: str
    ports: tuple[Port, ...]
    env: tuple[str, ...]


def parse_link(text: str) -> Link:
    """Read ``name``, ``name:alias``, or what inspect shows: ``/name:/own name/alias``. Raises InvalidParameter."""
    if not text:
        raise InvalidParameter("empty string specified for links: give name:alias")
    target, separator, alias = text.partition(":")
    if ":" in alias or not target.removeprefix("/") or (separator and not alias):
        raise InvalidParameter(f"bad format for links: {text[:80]}: use name:alias")
    link = Link(target.removeprefix("/"), alias.rpartition("/")[2] if separator else target.removeprefix("/"))
    check_aliases([link.alias])
    return link


def parse_links(texts: Sequence[str]) -> tuple[Link, ...]:
    """Read links, each once. Raises InvalidParameter."""
    if len(texts) > _MOST_LINKS:
        raise InvalidParameter(f"too many links: {len(texts)}, use at most {_MOST_LINKS}")
    return tuple(dict.fromkeys(parse_link(text) for text in texts))


def hosts_line(linked: Linked) -> str:
    """Return the line of ``/etc/hosts`` for a linked container."""
    names = dict.fromkeys((linked.alias, linked.hostname, linked.name))
    return f"{linked.address}\t{' '.join(names)}"


def link_environment(linked: Linked) -> list[str]:
    """Return the variables that tell of a linked container: its ports, lowest first, its name, its own variables."""
    prefix = linked.alias.upper().replace("-", "_")
    ports = sorted(linked.ports, key=lambda port: (port.number, port.protocol != TCP))
    lines = [f"{prefix}_PORT={_url(linked, port)}" for port in ports[:1]]
    for port in ports:
        lines += _port_variables(f"{prefix}_PORT_{port.number}_{port.protocol.upper()}", linked, port)
    lines.append(f"{prefix}_NAME={linked.link_name}")
    return [*lines, *(f"{prefix}_ENV_{line}" for line in _told(linked.env))]


def _port_variables(prefix: str, linked: Linked, port: Port) -> list[str]:
    return [
        f"{prefix}={_url(linked, port)}",
        f"{prefix}_ADDR={linked.address}",
        f"{prefix}_PORT={port.number}",
        f"{prefix}_PROTO={port.protocol}",
    ]


def _url(linked: Linked, port: Port) -> str:
    return f"{port.protocol}://{linked.address}:{port.number}"


def _told(env: Iterable[str]) -> list[str]:
    return [line for line in env if "=" in line and line.partition("=")[0] not in _NOT_TOLD]
