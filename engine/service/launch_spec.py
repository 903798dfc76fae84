"""From a record to the specification that the supervisor launches.

Owns the translation and the defaults that stand for isolation; does nothing to the host.
"""

from collections.abc import Sequence
from pathlib import Path

from engine.core import sysctls
from engine.core.capabilities import ALL, container_capabilities
from engine.core.containers import ContainerRecord, HostConfig
from engine.core.execs import ExecRecord
from engine.core.launch import BindSpec, CgroupSpec, ExecSpec, IdMapping, LaunchSpec, LogSpec, ProcessSpec, Rlimit
from engine.core.log_options import log_limits
from engine.core.merge import merge_env
from engine.core.namespace_modes import HOST, has_own_network
from engine.service.mount_specs import VolumePath, bind_specs, tmpfs_specs
from engine.storage.rootfs import logs_of, network_files_of, rootfs_of, spill_of

EXEC_LOG_SEGMENT_BYTES = 2**20
EXEC_LOG_SEGMENTS = 2
EXEC_FLOW_BYTES = 2**20

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
NETWORK_FILES = ("hosts", "hostname", "resolv.conf")


def launch_spec(
    record: ContainerRecord,
    *,
    path: Path,
    lowers: Sequence[Path],
    ids: list[IdMapping],
    cgroup: CgroupSpec,
    seccomp: tuple[str, str],
    volume_path: VolumePath,
    network_path: Path | None = None,
) -> LaunchSpec:
    """Return the whole specification; ``path`` is the container's folder, ``seccomp`` the compiled filters' paths.

    ``network_path`` is the folder of the container whose network it shares.
    """
    host, rootfs = record.host, rootfs_of(path)
    return {
        "container_id": record.container_id,
        "hostname": record.config.hostname,
        "domainname": record.config.domainname,
        "ids": ids,
        "rootfs": {
            "lower": [str(lower) for lower in lowers],
            "upper": str(rootfs.upper),
            "work": str(rootfs.work),
            "readonly": host.readonly_rootfs,
            "volatile": record.is_passing,
        },
        "binds": [*_network_files(network_path or path, readonly=host.readonly_rootfs), *bind_specs(record, volume_path)],
        "tmpfs": tmpfs_specs(record),
        "shm_bytes": host.shm_bytes,
        "masked_paths": _protected(host, host.masked_paths, MASKED_PATHS),
        "readonly_paths": _protected(host, host.readonly_paths, READONLY_PATHS),
        "sysctls": {**(sysctls.DEFAULTS if has_own_network(host.network_mode) else {}), **host.sysctls},
        "cgroup": cgroup,
        "process": _process(record, seccomp),
        "init": host.init or host.pid_mode == HOST,  # else its orphans would go to the host's processes
        "log": container_log(record, path),
    }


def container_log(record: ContainerRecord, path: Path) -> LogSpec:
    """Return where the output of the container in folder ``path`` goes, and how much of it is kept."""
    limits = log_limits(record.host.log_driver, record.host.log_options)
    return {
        "directory": str(logs_of(path)),
        "segment_bytes": limits.segment_bytes,
        "keep_segments": limits.keep_segments,
        "spill": str(spill_of(path)),
    }


def exec_spec(
    record: ContainerRecord, execution: ExecRecord, *, log_path: Path, cgroup_join: list[str], seccomp: tuple[str, str]
) -> ExecSpec:
    """Return the specification of a further process in a container."""
    config = execution.config
    own = _process(record, ("", "") if config.privileged else seccomp)
    process: ProcessSpec = {
        **own,
        "args": list(config.cmd),
        "env": merge_env(own["env"], ["TERM=xterm"] if config.tty else ["TERM"], config.env),
        "cwd": config.working_dir or own["cwd"],
        "user": config.user or own["user"],
        "tty": config.tty,
        "stdin": config.attach_stdin,
        "rows": config.rows,
        "columns": config.columns,
        "capabilities": list(ALL) if config.privileged else own["capabilities"],
    }
    log: LogSpec = {
        "directory": str(log_path),
        "segment_bytes": EXEC_LOG_SEGMENT_BYTES,
        "keep_segments": EXEC_LOG_SEGMENTS,
    }
    return {
        "exec_id": execution.exec_id,
        "container_id": record.container_id,
        "process": process,
        "cgroup_join": cgroup_join,
        "log": log,
        "flow_bytes": 0 if config.is_detached else EXEC_FLOW_BYTES,
    }


def _protected(host: HostConfig, paths: Sequence[str] | None, default: Sequence[str]) -> list[str]:
    if host.privileged:
        return []
    return list(default if paths is None else paths)


def _network_files(path: Path, *, readonly: bool) -> list[BindSpec]:
    """They come first: a bind of the user's may then cover them, as with dockerd."""
    folder = network_files_of(path)
    return [
        {"source": str(folder / name), "target": f"/etc/{name}", "readonly": readonly, "idmapped": True} for name in NETWORK_FILES
    ]


def _process(record: ContainerRecord, seccomp: tuple[str, str]) -> ProcessSpec:
    config, host = record.config, record.host
    terminal = ["TERM=xterm"] if config.tty else []
    return {
        "args": config.args,
        "env": merge_env([f"HOSTNAME={config.hostname}", *terminal], config.env),
        "cwd": config.working_dir or "/",
        "user": config.user,
        "groups": list(host.group_add),
        "tty": config.tty,
        "stdin": config.open_stdin,
        "rows": host.console_rows,
        "columns": host.console_columns,
        "capabilities": container_capabilities(host),
        "no_new_privileges": host.no_new_privileges,
        "seccomp": seccomp[0],
        "further_seccomp": seccomp[1],
        "rlimits": [Rlimit(name=limit.name, soft=limit.soft, hard=limit.hard) for limit in host.ulimits],
        "oom_score_adj": host.oom_score_adj,
    }
