"""How much containers have received and sent, by tenant: sums that only grow while the daemon runs.

Owns remembering what containers that are gone have used. Counted at the host's end of each veth, so in bytes of whole packets
with their Ethernet headers, to a container's last one: its network namespace is kept until its devices have been left here.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.core.tenants import Tenant

_DEVICES = Path("/sys/class/net")
_LIST = Path("/proc/thread-self/net/dev")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes into and out of containers."""

    in_bytes: int = 0
    out_bytes: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(self.in_bytes + other.in_bytes, self.out_bytes + other.out_bytes)


class TrafficCounts:
    """Used from one thread, in the host's network namespace."""

    def __init__(self) -> None:
        self._present: dict[str, tuple[Tenant, Traffic]] = {}  # by device, with what was seen last
        self._gone: dict[Tenant, Traffic] = {}

    def add(self, tenant: Tenant, device: str) -> None:
        """Count a device from now on, with all that it has counted already."""
        self._present[device] = (tenant, Traffic())

    def leave(self, device: str) -> None:
        """Count no more; what it has used stays counted."""
        tenant, seen = self._present.pop(device, (None, Traffic()))
        if tenant is not None:
            self._gone[tenant] = self._gone.get(tenant, Traffic()) + _largest(seen, _look(device))

    def of(self, tenant: Tenant) -> Traffic:
        """Return the sum of all containers that are, or were, the tenant's own or its members'."""
        self._look_again()
        total = Traffic()
        for owner, seen in (*self._present.values(), *self._gone.items()):
            if tenant.sees(owner):
                total += seen
        return total

    def of_each(self, tenants: Sequence[Tenant]) -> dict[Tenant, Traffic]:
        """Return the sums of several at once, which costs one look instead of one for each."""
        self._look_again()
        found = dict.fromkeys(tenants, Traffic())
        for owner, seen in (*self._present.values(), *self._gone.items()):
            for scope in owner.scopes:
                if scope in found:
                    found[scope] += seen
        return found

    def _look_again(self) -> None:
        now = parse_devices(_LIST.read_text())
        for device, (tenant, seen) in self._present.items():
            self._present[device] = (tenant, _largest(seen, now.get(device, seen)))


def parse_devices(text: str) -> dict[str, Traffic]:
    """Read /proc/net/dev of the host: what a veth's end there receives is what its container sends."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        counts = numbers.split()
        found[name.strip()] = Traffic(in_bytes=int(counts[8]), out_bytes=int(counts[0]))
    return found


def _look(device: str) -> Traffic:
    folder = _DEVICES / device / "statistics"
    with contextlib.suppress(OSError):
        return Traffic(int((folder / "tx_bytes").read_text()), int((folder / "rx_bytes").read_text()))
    return Traffic()


def _largest(one: Traffic, other: Traffic) -> Traffic:
    return Traffic(max(one.in_bytes, other.in_bytes), max(one.out_bytes, other.out_bytes))
