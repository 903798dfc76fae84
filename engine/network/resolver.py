"""The host's own resolver configuration, as far as containers can use it. Reads; writes nothing."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

from engine.core.resolv import parse_resolv, reachable_nameservers

_ETC = Path("/etc/resolv.conf")
# Where systemd-resolved keeps the servers it asks itself, when /etc/resolv.conf only names its stub on the loopback.
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")


def host_resolv_conf() -> str:
    """Return the text of the resolv.conf that names servers reachable from containers, or what there is; empty if nothing."""
    text = _read(_ETC)
    if reachable_nameservers(parse_resolv(text)):
        return text
    return _read(_BEHIND_STUB) or text


def nameserver_subnets() -> list[IPv4Network]:
    """Return the host's name servers as subnets of one address each, also those behind a stub."""
    return [IPv4Network(address) for address in _nameservers() if address.version == 4]


def nameserver_subnets6() -> list[IPv6Network]:
    """The same for those that are asked by IPv6."""
    return [IPv6Network(int(address)) for address in _nameservers() if address.version == 6]


def _nameservers() -> list[IPv4Address | IPv6Address]:
    """Texts that are no address are passed over."""
    found = []
    for text in dict.fromkeys((*parse_resolv(_read(_ETC)).nameservers, *parse_resolv(_read(_BEHIND_STUB)).nameservers)):
        with suppress(ValueError):
            found.append(ip_address(text))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
