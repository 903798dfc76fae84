"""The body of ``POST /containers/{id}/update``. Owns which of Docker's fields can be changed: nothing is dropped in silence."""

from engine.api.create_limits import network_rates
from engine.api.decode import Document
from engine.core.limit_changes import UNLIMITED, LimitChanges
from engine.core.restart import RestartPolicy, parse_restart_policy
from engine.errors import InvalidParameter
from engine.service.update_container import UpdateRequest

_PIDS_SINCE = (1, 40)
_REFUSED = (
    *("BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps", "BlkioDeviceWriteIOps", "BlkioWeightDevice"),
    *("CgroupParent", "CpuCount", "CpuPercent", "CpuRealtimePeriod", "CpuRealtimeRuntime", "DeviceCgroupRules", "Devices"),
    *("DeviceRequests", "IOMaximumBandwidth", "IOMaximumIOps", "KernelMemory", "KernelMemoryTCP", "OomKillDisable", "Ulimits"),
)


def decode_update(body: Document, version: tuple[int, ...]) -> UpdateRequest:
    """Return what is to be changed by a client of an API version. Raises InvalidParameter."""
    for name in _REFUSED:
        if body.is_set(name):
            raise InvalidParameter(f"{name} cannot be updated: make a new container")
    if body.is_set("MemorySwappiness") and body.integer("MemorySwappiness") >= 0:
        raise InvalidParameter("MemorySwappiness cannot be updated: make a new container")
    return UpdateRequest(limits=_limits(body, version), restart=_restart(body))


def _limits(body: Document, version: tuple[int, ...]) -> LimitChanges:
    # Older clients send their fields' empty values along: a 0 of theirs is no wish to lift the limit.
    pids = body.optional_integer("PidsLimit") if version >= _PIDS_SINCE else None
    return LimitChanges(
        memory_bytes=body.integer("Memory") or None,
        memory_reservation_bytes=body.integer("MemoryReservation") or None,
        memory_swap_bytes=body.integer("MemorySwap") or None,
        nano_cpus=body.integer("NanoCpus") or None,
        cpu_shares=body.integer("CpuShares") or None,
        cpu_period_us=body.integer("CpuPeriod") or None,
        cpu_quota_us=_or_unlimited(body.integer("CpuQuota") or None),
        cpuset_cpus=body.text("CpusetCpus"),
        cpuset_mems=body.text("CpusetMems"),
        pids=_or_unlimited(pids),
        blkio_weight=_blkio_weight(body.integer("BlkioWeight")),
        network_in_bps=_or_unlimited(network_rates(body).optional_integer("NetworkInBps")),
        network_out_bps=_or_unlimited(network_rates(body).optional_integer("NetworkOutBps")),
    )


def _or_unlimited(value: int | None) -> int | None:
    """Docker writes no limit as any number that is not above 0."""
    return UNLIMITED if value is not None and value <= 0 else value


def _blkio_weight(weight: int) -> int | None:
    if weight and not 10 <= weight <= 1000:
        raise InvalidParameter(f"invalid BlkioWeight {weight}: use 10 to 1000")
    return weight or None


def _restart(body: Document) -> RestartPolicy | None:
    document = body.document("RestartPolicy")
    if not document.text("Name"):
        return None
    return parse_restart_policy(document.text("Name"), document.integer("MaximumRetryCount"))
