"""What is looked at when a container is made, so that it does not fail at its start only, or keep less than it says.

Owns what this host cannot do for a container: an error where the container would not be what was asked for, else a warning.
"""

import os
import resource
from pathlib import Path

from engine.core.capabilities import container_capabilities, effective_capabilities
from engine.core.containers import ContainerConfig, HostConfig, Ulimit
from engine.core.namespace_modes import HOST, has_own_network, joined_container
from engine.core.resolv import check_resolver
from engine.core.storage_options import storage_limit
from engine.core.sysctls import check_sysctls
from engine.core.tenants import Tenant
from engine.core.tmpfs_options import check_tmpfs_options
from engine.errors import InvalidParameter
from engine.linux.capabilities import is_permitted
from engine.runtime.seccomp_cache import SeccompCache
from engine.runtime.sysctl_probe import try_sysctls
from engine.service.devices import find_devices, with_numbers
from engine.service.engine import Engine
from engine.service.isolation import check_possible
from engine.service.network_modes import check_network_mode

_PRIVILEGED = (
    "privileged gives all rights in the container's own user namespace, none on the host: its devices, kernel modules, clock and"
    " disks stay out of reach, single devices can be given with Devices"
)
_MOST_OPEN_FILES = Path("/proc/sys/fs/nr_open")
_HOST_IPC = "IpcMode host: the container is an unprivileged user of the host's memory segments and queues"
_NO_UNIFIED = "writable cgroups take cgroup version 2: the container's cgroups stay read-only"


def check_isolation(config: ContainerConfig, host: HostConfig) -> None:
    """Values that are wrong anywhere. Raises InvalidParameter."""
    check_possible(host, hostname=config.hostname)
    check_network_mode(config, host)
    effective_capabilities(add=host.cap_add, drop=host.cap_drop)
    has_own_ipc = host.ipc_mode != HOST and not joined_container(host.ipc_mode)
    check_sysctls(host.sysctls, own_network=has_own_network(host.network_mode), own_ipc=has_own_ipc)
    for options in host.tmpfs.values():
        check_tmpfs_options(options)
    check_resolver(nameservers=host.dns, search=host.dns_search, options=host.dns_options)


def check_storage(engine: Engine, host: HostConfig) -> None:
    """Raise InvalidParameter for options of storage that are wrong, or that no limit here could keep."""
    if storage_limit(host.storage_options) is not None and not engine.disk.has_limits:
        raise InvalidParameter(
            "storage options cannot be kept: the engine's disk sets no limits; leave out StorageOpt, or have an administrator"
            " give the engine a disk that does"
        )


def is_special(host: HostConfig) -> bool:
    """Whether there is anything for check_kernel to look at."""
    limits = host.limits
    rates = (limits.blkio_weights, limits.read_bps, limits.write_bps, limits.read_iops, limits.write_iops)
    return bool(host.devices or host.sysctls or any(rates)) or host.seccomp not in ("", "unconfined")


def check_kernel(engine: Engine, tenant: Tenant, host: HostConfig) -> None:
    """Values that are wrong on this host. Blocking. Raises InvalidParameter, Unavailable."""
    find_devices(host.devices)
    with_numbers(host.limits)
    if host.seccomp not in ("", "unconfined"):
        _compile(engine.seccomp, host)
    if host.sysctls:
        try_sysctls(host.sysctls, ids=engine.tenants.id_mappings(tenant))


def host_warnings(engine: Engine, host: HostConfig) -> list[str]:
    """Return what will not have its usual effect here."""
    warnings = [_PRIVILEGED] if host.privileged else []
    warnings += [_HOST_IPC] if host.ipc_mode == HOST else []
    if host.writable_cgroups and not engine.host.cgroups.unified:
        warnings.append(_NO_UNIFIED)
    may_raise = bool(host.ulimits or host.oom_score_adj < 0) and is_permitted("CAP_SYS_RESOURCE")
    warnings += [text for limit in host.ulimits if (text := _ulimit_warning(limit, may_raise=may_raise))]
    warnings += [] if may_raise else _oom_warnings(host.oom_score_adj)
    return warnings + _limit_warnings(engine, host)


def _oom_warnings(value: int) -> list[str]:
    lowest = int(Path("/proc/self/oom_score_adj").read_text()) if value < 0 else value
    if value >= lowest:
        return []
    return [f"OomScoreAdj {value} takes a right that the engine does not have here: it stays at {lowest}"]


def _compile(cache: SeccompCache, host: HostConfig) -> None:
    cache.path(container_capabilities(host), document=host.seccomp)


def _ulimit_warning(limit: Ulimit, *, may_raise: bool) -> str:
    """Whoever may raise limits may not raise that of open files beyond a limit for all."""
    ceiling = resource.getrlimit(getattr(resource, f"RLIMIT_{limit.name.upper()}"))[1]
    if may_raise:
        ceiling = int(_MOST_OPEN_FILES.read_text()) if limit.name == "nofile" else resource.RLIM_INFINITY
    if ceiling == resource.RLIM_INFINITY or 0 <= limit.hard <= ceiling:
        return ""
    wanted = "unlimited" if limit.hard < 0 else str(limit.hard)
    return f"ulimit {limit.name}: the hard limit {wanted} is above this host's, which is {ceiling} and holds"


def _limit_warnings(engine: Engine, host: HostConfig) -> list[str]:
    """In dockerd's words, which some clients look for."""
    limits, warnings = host.limits, []
    is_version_2 = engine.host.cgroups.version == 2
    if limits.memory_swappiness is not None and is_version_2:
        warnings.append("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted.")
    if limits.oom_kill_disable and is_version_2:
        warnings.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
    elif limits.oom_kill_disable and limits.memory_bytes is None:
        warnings.append("OOM killer is disabled for the container, but no memory limit is set.")
    if (limits.blkio_weight is not None or limits.blkio_weights) and not _has_file(
        engine, "blkio", ("blkio.weight", "io.weight")
    ):
        warnings.append("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.")
    if limits.memory_bytes is not None and not _has_file(engine, "memory", ("memory.memsw.limit_in_bytes", "memory.swap.max")):
        warnings.append("Your kernel does not support swap limit capabilities or the cgroup is not mounted.")
    return warnings


def _has_file(engine: Engine, controller: str, names: tuple[str, ...]) -> bool:
    """Whether cgroups other than the first have one of these files; unknown counts as yes."""
    layout = engine.host.cgroups
    root = layout.unified if layout.version == 2 else layout.mounts.get(controller, "")
    try:
        with os.scandir(root or "/") as entries:
            below = next((entry.path for entry in entries if root and entry.is_dir(follow_symlinks=False)), "")
    except OSError:
        return True
    return not below or any(Path(below, name).exists() for name in names)
