"""Limits of a tenant on reading and writing its disk, as values of the kernel's control files.

With version 2 of cgroups a limit of a team or member is written once, to its own cgroup, and holds for the sum below it. Version
1 knows no sums of this kind: there each running container gets an equal part, so that the sum holds too. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.core.launch import FileWrite
from engine.core.limits import CgroupLayout, DeviceValue, Limits
from engine.core.tenants import Tenant

_KINDS = ("read_bps", "write_bps", "read_iops", "write_iops")
_NAMES_V2 = ("rbps", "wbps", "riops", "wiops")
_NO_LIMIT_V1 = 0  # takes the entry away


@dataclass(frozen=True, slots=True)
class IoRates:
    """Bytes and operations a second of one device; None: no limit."""

    read_bps: int | None = None
    write_bps: int | None = None
    read_iops: int | None = None
    write_iops: int | None = None

    @property
    def is_limited(self) -> bool:
        return self != NO_IO_RATES

    def part(self, count: int) -> "IoRates":
        """Return what each of ``count`` gets when all get the same; never nothing, which would be no limit."""
        return IoRates(*(None if value is None else max(1, value // max(1, count)) for value in self._values()))

    def within(self, other: "IoRates") -> "IoRates":
        """Return the smaller of each."""
        return IoRates(*map(_smaller, self._values(), other._values()))

    def _values(self) -> tuple[int | None, ...]:
        return tuple(getattr(self, kind) for kind in _KINDS)


NO_IO_RATES = IoRates()


@dataclass(frozen=True, slots=True)
class Sharer:
    """A running container: where its cgroup lies, whose it is, and its own limits of the device."""

    path: tuple[str, ...]
    tenant: Tenant
    own: IoRates = NO_IO_RATES


def own_rates(limits: Limits, device: str) -> IoRates:
    """Return a container's own limits of a device that is given as ``major:minor``."""
    kinds = (limits.read_bps, limits.write_bps, limits.read_iops, limits.write_iops)
    return IoRates(*(_of_device(values, device) for values in kinds))


def plan_tenant_io(
    layout: CgroupLayout, root: str, device: str, tenants: Mapping[Tenant, IoRates], sharers: Sequence[Sharer]
) -> list[FileWrite]:
    """Return all writes for one team: ``tenants`` are it and those of its members that have limits or had some before.

    ``root`` is the name of the engine's own cgroup, ``sharers`` are all running containers of the team.
    """
    if layout.version == 2:
        return [_write_v2("/".join([layout.unified, root, *_parts(tenant)]), device, rates) for tenant, rates in tenants.items()]
    if "blkio" not in layout.mounts:
        return []
    return [
        write
        for sharer in sharers
        for write in _writes_v1("/".join([layout.mounts["blkio"], *sharer.path]), device, _share(sharer, tenants, sharers))
    ]


def _parts(tenant: Tenant) -> list[str]:
    return [f"t-{tenant.team}", *([f"m-{tenant.member}"] if tenant.member else [])]


def _share(sharer: Sharer, tenants: Mapping[Tenant, IoRates], sharers: Sequence[Sharer]) -> IoRates:
    share = sharer.own
    for tenant, rates in tenants.items():
        if tenant.sees(sharer.tenant):
            share = share.within(rates.part(sum(tenant.sees(other.tenant) for other in sharers)))
    return share


def _write_v2(directory: str, device: str, rates: IoRates) -> FileWrite:
    values = ("max" if value is None else str(value) for value in rates._values())
    line = " ".join([device, *(f"{name}={value}" for name, value in zip(_NAMES_V2, values, strict=True))])
    return {"path": f"{directory}/io.max", "value": line, "optional": True}


def _writes_v1(directory: str, device: str, rates: IoRates) -> list[FileWrite]:
    return [
        {
            "path": f"{directory}/blkio.throttle.{kind}_device",
            "value": f"{device} {_NO_LIMIT_V1 if value is None else value}",
            "optional": True,
        }
        for kind, value in zip(_KINDS, rates._values(), strict=True)
    ]


def _of_device(values: Sequence[DeviceValue], device: str) -> int | None:
    return next((entry.value for entry in values if entry.number == device), None)


def _smaller(one: int | None, other: int | None) -> int | None:
    given = [value for value in (one, other) if value is not None]
    return min(given) if given else None
