"""``HostConfig`` as Docker's JSON. Owns the shape only."""

from collections.abc import Sequence
from typing import Any

from engine.api.mounts_json import mounts_config_json
from engine.api.ports_json import bindings_json
from engine.core.containers import HostConfig
from engine.core.limits import DeviceValue


def host_config_json(host: HostConfig, *, links: Sequence[str] = ()) -> dict[str, Any]:
    """Return the object as inspect shows it."""
    return {
        **_limits(host),
        **mounts_config_json(host),
        "ContainerIDFile": host.id_file,
        "LogConfig": {"Type": host.log_driver, "Config": dict(host.log_options)},
        "NetworkMode": host.network_mode,
        "PortBindings": bindings_json(host),
        "RestartPolicy": {"Name": host.restart.name, "MaximumRetryCount": host.restart.maximum_retry_count},
        "AutoRemove": host.auto_remove,
        "ConsoleSize": [host.console_rows, host.console_columns],
        **_extension(host),
        **({"Annotations": dict(host.annotations)} if host.annotations else {}),
        "CapAdd": list(host.cap_add) or None,
        "CapDrop": list(host.cap_drop) or None,
        "CgroupnsMode": host.cgroupns_mode,
        "Dns": list(host.dns),
        "DnsOptions": list(host.dns_options),
        "DnsSearch": list(host.dns_search),
        "ExtraHosts": list(host.extra_hosts) or None,
        "GroupAdd": list(host.group_add) or None,
        "IpcMode": host.ipc_mode,
        "Cgroup": "",
        "Links": list(links) or None,
        "OomScoreAdj": host.oom_score_adj,
        "PidMode": host.pid_mode,
        "Privileged": host.privileged,
        "PublishAllPorts": host.publish_all,
        "ReadonlyRootfs": host.readonly_rootfs,
        "SecurityOpt": _security_options(host) or None,
        "Tmpfs": dict(host.tmpfs) or None,
        "UTSMode": host.uts_mode,
        "UsernsMode": "",
        "ShmSize": host.shm_bytes,
        **({"StorageOpt": dict(host.storage_options)} if host.storage_options else {}),
        "Sysctls": dict(host.sysctls) or None,
        "Runtime": host.runtime or "atelier",
        "Isolation": host.isolation,
        "Init": host.init,
        "MaskedPaths": None if host.masked_paths is None else list(host.masked_paths),
        "ReadonlyPaths": None if host.readonly_paths is None else list(host.readonly_paths),
    }


def _extension(host: HostConfig) -> dict[str, Any]:
    """What Docker's API has no field for; clients that know nothing of it see none."""
    rates = {"NetworkInBps": host.limits.network_in_bps, "NetworkOutBps": host.limits.network_out_bps}
    asked = {**(rates if any(rates.values()) else {}), **({"DockerSocket": True} if host.docker_socket else {})}
    return {"Atelier": asked} if asked else {}


def _limits(host: HostConfig) -> dict[str, Any]:
    limits = host.limits
    return {
        "CpuShares": limits.cpu_shares or 0,
        "Memory": limits.memory_bytes or 0,
        "NanoCpus": limits.nano_cpus or 0,
        "CgroupParent": "",
        "BlkioWeight": limits.blkio_weight or 0,
        "BlkioWeightDevice": _device_values(limits.blkio_weights, "Weight"),
        "BlkioDeviceReadBps": _device_values(limits.read_bps, "Rate"),
        "BlkioDeviceWriteBps": _device_values(limits.write_bps, "Rate"),
        "BlkioDeviceReadIOps": _device_values(limits.read_iops, "Rate"),
        "BlkioDeviceWriteIOps": _device_values(limits.write_iops, "Rate"),
        "CpuPeriod": limits.cpu_period_us or 0,
        "CpuQuota": limits.cpu_quota_us or 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "Devices": [
            {"PathOnHost": device.source, "PathInContainer": device.target, "CgroupPermissions": device.access}
            for device in host.devices
        ]
        or None,
        "DeviceCgroupRules": list(host.device_rules) or None,
        "DeviceRequests": None,
        "MemoryReservation": limits.memory_reservation_bytes or 0,
        "MemorySwap": limits.memory_swap_bytes or 0,
        "MemorySwappiness": limits.memory_swappiness,
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids,
        "Ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in host.ulimits] or None,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def _security_options(host: HostConfig) -> list[str]:
    """As they came; older records know only what was understood."""
    if host.security_options:
        return [f"seccomp={host.seccomp}" if option == "seccomp=" else option for option in host.security_options]
    options = ["no-new-privileges"] if host.no_new_privileges else []
    options += [f"seccomp={host.seccomp}"] if host.seccomp else []
    options += ["writable-cgroups=true"] if host.writable_cgroups else []
    return [*options, *host.security_labels]


def _device_values(values: tuple[DeviceValue, ...], name: str) -> list[dict[str, Any]] | None:
    return [{"Path": entry.path, name: entry.value} for entry in values] or None
