"""``HostConfig`` as Docker's JSON. Owns the shape only."""

from typing import Any

from engine.api.mounts_json import mounts_config_json
from engine.core.containers import HostConfig


def host_config_json(host: HostConfig) -> dict[str, Any]:
    """Return the object as inspect shows it."""
    return {
        **_limits(host),
        **mounts_config_json(host),
        "ContainerIDFile": "",
        "LogConfig": {"Type": host.log_driver, "Config": dict(host.log_options)},
        "NetworkMode": host.network_mode,
        "PortBindings": {},
        "RestartPolicy": {"Name": host.restart.name, "MaximumRetryCount": host.restart.maximum_retry_count},
        "AutoRemove": host.auto_remove,
        "ConsoleSize": [host.console_rows, host.console_columns],
        "CapAdd": list(host.cap_add) or None,
        "CapDrop": list(host.cap_drop) or None,
        "CgroupnsMode": "private",
        "Dns": list(host.dns),
        "DnsOptions": list(host.dns_options),
        "DnsSearch": list(host.dns_search),
        "ExtraHosts": list(host.extra_hosts) or None,
        "GroupAdd": list(host.group_add) or None,
        "IpcMode": "private",
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": host.oom_score_adj,
        "PidMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": host.readonly_rootfs,
        "SecurityOpt": _security_options(host) or None,
        "Tmpfs": dict(host.tmpfs) or None,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": host.shm_bytes,
        "Sysctls": dict(host.sysctls) or None,
        "Runtime": "atelier",
        "Isolation": "",
        "Init": host.init,
        "MaskedPaths": None if host.masked_paths is None else list(host.masked_paths),
        "ReadonlyPaths": None if host.readonly_paths is None else list(host.readonly_paths),
    }


def _limits(host: HostConfig) -> dict[str, Any]:
    limits = host.limits
    return {
        "CpuShares": limits.cpu_shares or 0,
        "Memory": limits.memory_bytes or 0,
        "NanoCpus": limits.nano_cpus or 0,
        "CgroupParent": "",
        "BlkioWeight": limits.blkio_weight or 0,
        "BlkioWeightDevice": None,
        "BlkioDeviceReadBps": None,
        "BlkioDeviceWriteBps": None,
        "BlkioDeviceReadIOps": None,
        "BlkioDeviceWriteIOps": None,
        "CpuPeriod": limits.cpu_period_us or 0,
        "CpuQuota": limits.cpu_quota_us or 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "Devices": None,
        "DeviceCgroupRules": None,
        "DeviceRequests": None,
        "MemoryReservation": limits.memory_reservation_bytes or 0,
        "MemorySwap": limits.memory_swap_bytes or 0,
        "MemorySwappiness": None,
        "OomKillDisable": None,
        "PidsLimit": limits.pids,
        "Ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in host.ulimits] or None,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def _security_options(host: HostConfig) -> list[str]:
    options = ["no-new-privileges"] if host.no_new_privileges else []
    return [*options, f"seccomp={host.seccomp}"] if host.seccomp else options
