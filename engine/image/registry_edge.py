"""Where the registry client meets the world: names, certificates, patience. Tests pass another one in.

Owns the two failures that only the client's own files see: one that may pass by itself, and a refusal in a registry's words.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp.abc import AbstractResolver

from engine.core.address_kinds import AddressKind, kind_of
from engine.errors import Unavailable


def kind_from_here(address: str) -> AddressKind:
    """Return where an address lies. A public one of this machine's own is this machine: it has doors open to itself alone."""
    kind = kind_of(address)
    return AddressKind.LOOPBACK if kind is AddressKind.PUBLIC and _is_own(address) else kind


def _is_own(address: str) -> bool:
    """Only an own address can be bound."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Edge:
    """``stall_seconds``: how long a registry may send nothing, or less than ``least_bytes``. Delays double each time."""

    resolver: AbstractResolver | None = None
    kind_of: Callable[[str], AddressKind] = kind_from_here
    certificates_path: Path = Path("/etc/docker/certs.d")
    connect_seconds: float = 20.0
    stall_seconds: float = 60.0
    least_bytes: int = 16 * 2**10
    attempts: int = 6
    first_delay_seconds: float = 0.25
    most_delay_seconds: float = 30.0


class Transient(Unavailable):
    """Trying again may help. ``wait_seconds`` is what the registry asked for, None where it said nothing."""

    def __init__(self, message: str, *, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class MirrorLied(Unavailable):
    """A mirror sent something else than it was asked for, which showed only when part of it had been handed on.

    The mirror is left out from now on: whoever starts again from the beginning gets it from the registry itself.
    """


class Refused(Unavailable):
    """A registry says no. ``codes`` are the specification's, as DENIED or MANIFEST_UNKNOWN."""

    def __init__(self, message: str, *, status: int, codes: frozenset[str]) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes

    @property
    def is_denial(self) -> bool:
        return self.status in (401, 403)
