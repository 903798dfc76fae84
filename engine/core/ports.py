"""Ports of containers: which are exposed, how they are to be published on the host, and how that is written. Pure.

What is free on the host is asked elsewhere (network/host_ports.py).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice

from engine.core.port_ranges import Range, count_ports, merge_ranges, ports_of
from engine.errors import InvalidParameter

TCP, UDP = "tcp", "udp"
ANY_ADDRESS, ANY_ADDRESS6 = "0.0.0.0", "::"
MOST_BINDINGS = 1000  # of one container: each is a socket that the engine holds open
MOST_EXPOSED = 16_384  # of one container: each is told again with every list of containers
_LAST_PORT = 65_535
_SPECIFICATION = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/([A-Za-z]+))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port inside a container."""

    number: int
    protocol: str = TCP

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class PortBinding:
    """How a port is to be published: on one port of a range of the host's, the first that is free. Zeros stand for any port."""

    port: Port
    host_address: str = ""  # empty for all of the host's
    first_host_port: int = 0
    last_host_port: int = 0

    @property
    def host_port_text(self) -> str:
        """The host's port or ports as clients write them, empty for any."""
        if not self.first_host_port:
            return ""
        if self.first_host_port == self.last_host_port:
            return str(self.first_host_port)
        return f"{self.first_host_port}-{self.last_host_port}"


@dataclass(frozen=True, slots=True, order=True)
class PublishedPort:
    """A port of the host, on one address or on all of one family, that leads to a container's port."""

    port: Port
    host_address: str
    host_port: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host_address


def host_port_text(published: PublishedPort) -> str:
    """Return the host's port as filters name it: ``8080/tcp``."""
    return f"{published.host_port}/{published.port.protocol}"


def parse_port(text: str) -> Port:
    """Read ``80/tcp``, ``53/udp`` or ``80``, which is TCP. Raises InvalidParameter."""
    first, last, protocol = _parse(text)
    if first != last:
        raise InvalidParameter(f"invalid port specification: {text[:40]!r} is a range, name each port")
    return Port(first, protocol)


def parse_ports(text: str) -> tuple[Port, ...]:
    """Read what an image exposes: a port or a range of them, as ``8000-8010/tcp``. Raises InvalidParameter."""
    return tuple(Port(number, protocol) for number, protocol in ports_of([_range(text)]))


def parse_exposed(texts: Iterable[str]) -> list[Port]:
    """Read all that a request exposes, in order. Raises InvalidParameter, also for more than a container may expose."""
    ranges = merge_ranges(map(_range, texts))
    if (count := count_ports(ranges)) > MOST_EXPOSED:
        raise InvalidParameter(f"too many exposed ports: {count}, a container may have {MOST_EXPOSED}")
    return [Port(*pair) for pair in sorted(ports_of(ranges))]


@lru_cache(maxsize=32_768)
def _range(text: str) -> Range:
    first, last, protocol = _parse(text)
    return protocol, first, last


def _parse(text: str) -> tuple[int, int, str]:
    match = _SPECIFICATION.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match is None or not 0 < first <= last <= _LAST_PORT:
        raise InvalidParameter(f"invalid port specification: {text[:40]!r}, use 80, 53/udp or 8000-8010/tcp")
    protocol = (match[3] or TCP).lower()
    if protocol not in (TCP, UDP):
        raise InvalidParameter(
            f"invalid port specification: {text[:40]!r}, use the protocol tcp or udp: {protocol} is not supported"
        )
    return first, last, protocol


def parse_binding(port: Port, *, host_address: str, host_port: str) -> PortBinding:
    """Read how a client wants a port to be published. Raises InvalidParameter."""
    host_address = _host_address(port, host_address)
    if host_port in ("", "0"):
        return PortBinding(port, host_address)
    match = _SPECIFICATION.fullmatch(host_port)
    first, last = (int(match[1]), int(match[2] or match[1])) if match and not match[3] else (0, 0)
    if not 0 < first <= last <= _LAST_PORT:
        raise InvalidParameter(f"invalid port specification: {host_port[:40]!r}, use 8080, 8000-8010 or nothing for any port")
    return PortBinding(port, host_address, first, last)


def _host_address(port: Port, text: str) -> str:
    if not text:
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidParameter(f"invalid IP address {text[:60]!r} to publish port {port} on") from None
    if address.version == 6 and (address.is_loopback or address.is_link_local):
        raise InvalidParameter(
            f"port {port} cannot be published on [{address}]: the kernel leads nothing on from there, use 127.0.0.1"
        )
    return str(address)


def check_count(bindings: int) -> None:
    """Raise InvalidParameter for more than a container may publish."""
    if bindings > MOST_BINDINGS:
        raise InvalidParameter(f"too many published ports: {bindings}, a container may have {MOST_BINDINGS}")


def exposed_ports(texts: Iterable[str]) -> list[Port]:
    """Return the ports that texts of an image and a request expose, in order.

    What cannot be read is left out, and what is more than a container may have.
    """
    ranges = merge_ranges(found for text in islice(texts, MOST_EXPOSED) for found in _lenient(text))
    return [Port(*pair) for pair in sorted(islice(ports_of(ranges), MOST_EXPOSED))]


def _lenient(text: str) -> tuple[Range, ...]:
    try:
        return (_range(text),)
    except InvalidParameter:
        return ()


def wanted_bindings(exposed: Iterable[Port], bindings: Sequence[PortBinding], *, publishes_all: bool) -> tuple[PortBinding, ...]:
    """Return what a start publishes. Ports that were named come first, so that what takes any port does not take theirs."""
    bound = {binding.port for binding in bindings}
    others = [PortBinding(port) for port in exposed if port not in bound] if publishes_all else []
    wanted = sorted((*bindings, *others), key=_order)
    check_count(len(wanted))
    return tuple(wanted)


def _order(binding: PortBinding) -> tuple[bool, int, Port]:
    """One port of the host, then small ranges, then any."""
    return not binding.first_host_port, binding.last_host_port - binding.first_host_port, binding.port


def host_ports(binding: PortBinding, dynamic: range, *, after: int) -> Iterator[int]:
    """Return the host's ports to try: those that were named, else all of ``dynamic`` once, beginning past ``after``."""
    if binding.first_host_port:
        yield from range(binding.first_host_port, binding.last_host_port + 1)
        return
    start = after + 1 if after + 1 in dynamic else dynamic.start
    yield from range(start, dynamic.stop)
    yield from range(dynamic.start, start)
