"""The host's own resolver configuration, as far as containers can use it. Reads; writes nothing."""

from ipaddress import IPv4Network
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
    """Return the host's name servers as subnets of one address each."""
    return [IPv4Network(address) for address in reachable_nameservers(parse_resolv(host_resolv_conf()))]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
