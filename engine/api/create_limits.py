"""Limits in the body of ``POST /containers/create``: Docker's fields to the engine's numbers. Owns which of them are refused."""

from engine.api.decode import Document
from engine.core.limits import DeviceValue, Limits
from engine.errors import InvalidParameter

_OF_WINDOWS = ("CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth")
_REALTIME = "realtime scheduling is not supported: it would take the processors from everybody else, use CpuShares"
_REFUSED = {"CpuRealtimeRuntime": _REALTIME, "CpuRealtimePeriod": _REALTIME}
_RATES = ("NetworkInBps", "NetworkOutBps")
_OBSOLETE = ("KernelMemory", "KernelMemoryTCP")


def decode_limits(host: Document) -> Limits:
    """Return the limits. Raises InvalidParameter."""
    for name, message in _REFUSED.items():
        if host.is_set(name):
            raise InvalidParameter(message)
    pids = host.optional_integer("PidsLimit")
    swappiness = host.optional_integer("MemorySwappiness")
    return Limits(
        memory_bytes=host.integer("Memory") or None,
        memory_reservation_bytes=host.integer("MemoryReservation") or None,
        memory_swap_bytes=_swap(host),
        nano_cpus=host.integer("NanoCpus") or None,
        cpu_shares=host.integer("CpuShares") or None,
        cpu_period_us=host.integer("CpuPeriod") or None,
        cpu_quota_us=host.integer("CpuQuota") if host.integer("CpuQuota") > 0 else None,
        cpuset_cpus=host.text("CpusetCpus"),
        cpuset_mems=host.text("CpusetMems"),
        pids=pids if pids is not None and pids > 0 else None,
        blkio_weight=_weight(host.integer("BlkioWeight")) if host.is_set("BlkioWeight") else None,
        memory_swappiness=None if swappiness == -1 else swappiness,
        oom_kill_disable=host.boolean("OomKillDisable"),
        blkio_weights=_values(host, "BlkioWeightDevice", "Weight"),
        read_bps=_values(host, "BlkioDeviceReadBps", "Rate"),
        write_bps=_values(host, "BlkioDeviceWriteBps", "Rate"),
        read_iops=_values(host, "BlkioDeviceReadIOps", "Rate"),
        write_iops=_values(host, "BlkioDeviceWriteIOps", "Rate"),
        network_in_bps=extension(host).integer("NetworkInBps") or None,
        network_out_bps=extension(host).integer("NetworkOutBps") or None,
    )


def extension(host: Document) -> Document:
    """Return what only this engine's API has when a container is made. Raises InvalidParameter."""
    return _extension(host, (*_RATES, "DockerSocket"))


def network_rates(body: Document) -> Document:
    """Return what of it can be changed later: ``NetworkInBps`` and ``NetworkOutBps``. Raises InvalidParameter."""
    return _extension(body, _RATES)


def _extension(body: Document, names: tuple[str, ...]) -> Document:
    found = body.document("Atelier")
    if unknown := [name for name in found.keys_of() if name not in names]:
        raise InvalidParameter(f"unknown field Atelier.{unknown[0][:60]}: use {' and '.join(names)}")
    return found


def limit_warnings(host: Document) -> list[str]:
    """Return what is accepted without any effect."""
    warnings = [f"{name} has no effect: it is a setting of Windows" for name in _OF_WINDOWS if host.is_set(name)]
    return warnings + [f"{name} has no effect: kernels have dropped it, use Memory" for name in _OBSOLETE if host.is_set(name)]


def _swap(host: Document) -> int | None:
    """As in Docker: with a limit of memory alone, as much again of swap; inspect says so."""
    return host.integer("MemorySwap") or 2 * max(0, host.integer("Memory")) or None


def _weight(weight: int) -> int:
    if not 10 <= weight <= 1000:
        raise InvalidParameter(f"invalid BlkioWeight {weight}: use 10 to 1000")
    return weight


def _values(host: Document, name: str, value: str) -> tuple[DeviceValue, ...]:
    return tuple(DeviceValue(entry.text("Path"), entry.integer(value)) for entry in host.documents(name))
