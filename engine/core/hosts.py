"""The text of a container's ``/etc/hosts``.

Pure: writing it is the storage room's work.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from engine.errors import InvalidParameter

_LOOPBACK = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
)
HOST_GATEWAY = "host-gateway"


def hosts_file(
    *,
    hostname: str,
    domainname: str = "",
    addresses: Sequence[str] = (),
    gateway: str = "",
    aliases: Sequence[str] = (),
    extra_hosts: Sequence[str] = (),
    linked: Sequence[str] = (),
) -> str:
    """Return the file's text. ``addresses`` are the container's own, none without a network.

    ``extra_hosts`` are Docker's ``name:address``, or ``name:host-gateway`` for the host as the container reaches it.

    ``linked`` are whole lines, of containers that this one has linked.

    Raises InvalidParameter for an extra host that cannot be read.
    """
    lines = list(_LOOPBACK)
    lines += [extra_line(text, gateway) for text in extra_hosts]
    lines += linked
    names = _own_names(hostname, domainname, aliases)
    if names:
        # Without a network the own name still has to resolve: many programs look it up at their start.
        lines += [f"{address}\t{' '.join(names)}" for address in addresses or ("127.0.1.1",)]
    return "\n".join(lines) + "\n"


def _own_names(hostname: str, domainname: str, aliases: Sequence[str]) -> list[str]:
    full = [f"{hostname}.{domainname}"] if hostname and domainname else []
    return list(dict.fromkeys(name for name in (*full, hostname, hostname.partition(".")[0], *aliases) if name))


def extra_line(text: str, gateway: str) -> str:
    """Return one line. Docker accepts ``name:address`` and ``name=address``; an IPv6 address may stand in brackets.

    Raises InvalidParameter.
    """
    separator = "=" if "=" in text else ":"
    name, _, value = text.partition(separator)
    name, value = name.strip(), value.strip().removeprefix("[").removesuffix("]")
    if not name or any(character.isspace() or character == "#" for character in name):
        raise InvalidParameter(f"invalid extra host {text!r}: use name:address")
    return f"{_extra_address(text, value, gateway)}\t{name}"


def _extra_address(text: str, value: str, gateway: str) -> str:
    if value == HOST_GATEWAY:
        if not gateway:
            raise InvalidParameter(f"invalid extra host {text!r}: the container has no network with a gateway")
        return gateway
    try:
        return str(ip_address(value))
    except ValueError:
        raise InvalidParameter(f"invalid extra host {text!r}: {value!r} is not an IP address") from None
