"""The text of a container's ``/etc/resolv.conf`` (resolv.conf(5)).

Pure: reading the host's file is the network room's work, writing the container's the storage room's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from engine.errors import InvalidParameter

# As Docker does when the host has no resolver that a container could reach.
FALLBACK_NAMESERVERS = ("8.8.8.8", "8.8.4.4")


@dataclass(frozen=True, slots=True)
class Resolv:
    """What a resolv.conf says, in order."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse_resolv(text: str) -> Resolv:
    """Read a resolv.conf; lines that are not understood are passed over, as the C library does."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case [("search" | "domain"), *domains]:
                search = tuple(domains)
            case ["options", *words]:
                options += words
    return Resolv(tuple(nameservers), search, tuple(options))


def reachable_nameservers(resolv: Resolv) -> tuple[str, ...]:
    """Return the servers that a container can ask: IPv4, and not the loopback of the host, which in a container is its own."""
    return tuple(address for address in resolv.nameservers if _is_reachable(address))


def _is_reachable(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed.version == 4 and not (parsed.is_loopback or parsed.is_unspecified)


def check_resolver(*, nameservers: Sequence[str], search: Sequence[str], options: Sequence[str]) -> None:
    """Raise InvalidParameter for what could not stand in a resolv.conf."""
    for address in nameservers:
        try:
            ip_address(address)
        except ValueError:
            raise InvalidParameter(f"invalid DNS server {address[:60]!r}: use an IP address") from None
    for word in (*search, *options):
        if not word or len(word.split()) != 1 or word != word.strip():
            raise InvalidParameter(f"invalid DNS search domain or option {word[:60]!r}: use one word")


def resolv_conf(
    host_text: str,
    *,
    nameservers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
    fallback: Sequence[str] = FALLBACK_NAMESERVERS,
) -> str:
    """Return the container's text: the host's values, each replaced where the container has its own.

    ``search`` of ``["."]`` means none at all (``docker run --dns-search .``).
    """
    host = parse_resolv(host_text)
    servers = tuple(nameservers) or reachable_nameservers(host) or tuple(fallback)
    domains = tuple(search) or host.search
    lines = [f"nameserver {address}" for address in servers]
    if domains and domains != (".",):
        lines.append(f"search {' '.join(domains)}")
    words = tuple(options) or host.options
    if words:
        lines.append(f"options {' '.join(words)}")
    return "\n".join(lines) + "\n"


def embedded_resolv_conf(host_text: str, resolver: str, *, search: Sequence[str] = (), options: Sequence[str] = ()) -> str:
    """Return the text of a container that asks the engine's own resolver.

    A name without a dot is asked as it is first (``ndots:0``), unless the container says otherwise: it may be a neighbour's.
    """
    words = tuple(options) or parse_resolv(host_text).options
    if not any(word.startswith("ndots:") for word in words):
        words = (*words, "ndots:0")
    return resolv_conf(host_text, nameservers=(resolver,), search=search, options=words)
