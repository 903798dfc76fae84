"""The body of ``POST /containers/create`` as a request of the service.

Owns which of Docker's fields are honoured, which are refused and which draw a warning: nothing is dropped in silence.
"""

import re

from engine.api.create_health import decode_healthcheck, decode_restart_policy
from engine.api.create_mounts import absolute, decode_mounts, decode_tmpfs
from engine.api.decode import Document, console_size
from engine.core.containers import DEFAULT_SHM_BYTES, ContainerConfig, HostConfig, Ulimit
from engine.core.limits import Limits
from engine.core.log_options import DEFAULT_DRIVER, check_log_options
from engine.core.signals import parse_signal
from engine.errors import InvalidParameter
from engine.service.create_container import CreateRequest

_HOSTNAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_SHM_MOST_BYTES = 2**50  # the kernel takes more, but nobody means it
_ENV = re.compile(r"[^=\0]+(?:=[^\0]*)?", re.DOTALL)

# Not there yet: refusing is kinder than a container that is not what was asked for.
_REFUSED = {
    "Privileged": "privileged containers are not supported: grant single capabilities with CapAdd",
    "Links": "links are not supported: containers of a tenant reach each other by address",
    "Devices": "devices are not supported",
    "DeviceRequests": "device requests are not supported",
    "DeviceCgroupRules": "device rules are not supported",
    "StorageOpt": "storage options are not supported",
    "OomKillDisable": "the out-of-memory killer cannot be disabled",
    "CgroupParent": "the cgroup of a container is given by its tenant: leave out CgroupParent",
    "CpuRealtimeRuntime": "realtime scheduling is not supported",
    "CpuRealtimePeriod": "realtime scheduling is not supported",
    "BlkioWeightDevice": "weights of single devices are not supported",
    "BlkioDeviceReadBps": "rates of single devices are not supported",
    "BlkioDeviceWriteBps": "rates of single devices are not supported",
    "BlkioDeviceReadIOps": "rates of single devices are not supported",
    "BlkioDeviceWriteIOps": "rates of single devices are not supported",
}
# Namespaces shared with the host or another container would undo the isolation.
_OWN_ONLY = {
    "PidMode": ("",),
    "UTSMode": ("",),
    "UsernsMode": ("",),
    "IpcMode": ("", "private", "shareable"),
    "CgroupnsMode": ("", "private"),
}


def decode_create(body: Document, *, name: str, platform: str = "") -> tuple[CreateRequest, list[str]]:
    """Return the request and warnings. Raises InvalidParameter."""
    host = body.document("HostConfig")
    _refuse(host)
    warnings = _warnings(body, host)
    return CreateRequest(config=_config(body), host=_host_config(host), name=name, platform=platform), warnings


def _refuse(host: Document) -> None:
    for name, message in _REFUSED.items():
        if host.is_set(name):
            raise InvalidParameter(message)
    for name, allowed in _OWN_ONLY.items():
        if host.text(name) not in allowed:
            raise InvalidParameter(f"invalid {name} {host.text(name)[:60]!r}: a container always has its own namespace")
    if host.text("Runtime") not in ("", "atelier", "runc"):
        raise InvalidParameter(f"unknown runtime {host.text('Runtime')[:60]!r}: leave out Runtime")
    if host.text("Isolation") not in ("", "default"):
        raise InvalidParameter(f"invalid isolation {host.text('Isolation')[:60]!r}: leave it out")
    check_log_options(*_log_config(host))


def _log_config(host: Document) -> tuple[str, dict[str, str]]:
    config = host.document("LogConfig")
    return config.text("Type") or DEFAULT_DRIVER, config.mapping("Config")


def _warnings(body: Document, host: Document) -> list[str]:
    warnings = []
    if host.is_set("PortBindings") or host.boolean("PublishAllPorts"):
        warnings.append("ports are not published: reach the container at its own address from the host")

    if _log_config(host)[1].get("compress", "").lower() in ("1", "t", "true"):
        warnings.append("log opt compress has no effect: what is kept of a log is kept as it is")
    if host.is_set("MemorySwappiness") and _within(host.integer("MemorySwappiness"), -1, 100, "MemorySwappiness") >= 0:
        warnings.append("memory swappiness is not set")
    if body.text("MacAddress"):
        warnings.append("the MAC address is derived from the address given, not set")
    return warnings


def _config(body: Document) -> ContainerConfig:
    image = body.text("Image")
    if not image:
        raise InvalidParameter("no image specified: give Image")
    env = body.texts("Env")
    for entry in env:
        if _ENV.fullmatch(entry) is None:
            raise InvalidParameter(f"invalid environment variable {entry[:60]!r}: use NAME=value")
    if body.text("StopSignal"):
        parse_signal(body.text("StopSignal"))
    return ContainerConfig(
        image=image,
        hostname=_hostname(body.text("Hostname")),
        domainname=_hostname(body.text("Domainname")),
        user=body.text("User"),
        env=env,
        cmd=body.optional_command("Cmd"),
        entrypoint=body.optional_command("Entrypoint"),
        working_dir=absolute(body.text("WorkingDir"), "working directory"),
        labels=body.mapping("Labels"),
        exposed_ports=body.keys("ExposedPorts"),
        volumes=body.keys("Volumes"),
        tty=body.boolean("Tty"),
        open_stdin=body.boolean("OpenStdin"),
        stdin_once=body.boolean("StdinOnce"),
        attach_stdin=body.boolean("AttachStdin"),
        attach_stdout=body.boolean("AttachStdout"),
        attach_stderr=body.boolean("AttachStderr"),
        stop_signal=body.text("StopSignal"),
        stop_timeout_seconds=body.optional_integer("StopTimeout"),
        network_disabled=body.boolean("NetworkDisabled"),
        healthcheck=decode_healthcheck(body),
        shell=body.optional_texts("Shell"),
    )


def _host_config(host: Document) -> HostConfig:
    security = _security_options(host.texts("SecurityOpt"))
    rows, columns = console_size(host)
    log_driver, log_options = _log_config(host)
    return HostConfig(
        network_mode=_network_mode(host.text("NetworkMode")),
        auto_remove=host.boolean("AutoRemove"),
        restart=decode_restart_policy(host),
        limits=_limits(host),
        readonly_rootfs=host.boolean("ReadonlyRootfs"),
        cap_add=host.texts("CapAdd"),
        cap_drop=host.texts("CapDrop"),
        no_new_privileges="no-new-privileges" in security,
        seccomp=security.get("seccomp", ""),
        bind_texts=host.texts("Binds"),
        mounts=decode_mounts(host),
        volumes_from=host.texts("VolumesFrom"),
        volume_driver=host.text("VolumeDriver"),
        tmpfs=decode_tmpfs(host),
        shm_bytes=_within(host.integer("ShmSize"), 0, _SHM_MOST_BYTES, "ShmSize") or DEFAULT_SHM_BYTES,
        sysctls=_sysctls(host.mapping("Sysctls")),
        masked_paths=host.optional_texts("MaskedPaths"),
        readonly_paths=host.optional_texts("ReadonlyPaths"),
        init=bool(host.optional_boolean("Init")),
        oom_score_adj=_within(host.integer("OomScoreAdj"), -1000, 1000, "OomScoreAdj"),
        ulimits=tuple(_ulimit(limit) for limit in host.documents("Ulimits")),
        group_add=host.texts("GroupAdd"),
        dns=host.texts("Dns"),
        dns_options=host.texts("DnsOptions"),
        dns_search=host.texts("DnsSearch"),
        extra_hosts=host.texts("ExtraHosts"),
        log_driver=log_driver,
        log_options=log_options,
        console_rows=rows,
        console_columns=columns,
    )


def _limits(host: Document) -> Limits:
    pids = host.optional_integer("PidsLimit")
    return Limits(
        memory_bytes=host.integer("Memory") or None,
        memory_reservation_bytes=host.integer("MemoryReservation") or None,
        memory_swap_bytes=host.integer("MemorySwap") or None,
        nano_cpus=host.integer("NanoCpus") or None,
        cpu_shares=host.integer("CpuShares") or None,
        cpu_period_us=host.integer("CpuPeriod") or None,
        cpu_quota_us=host.integer("CpuQuota") if host.integer("CpuQuota") > 0 else None,
        cpuset_cpus=host.text("CpusetCpus"),
        cpuset_mems=host.text("CpusetMems"),
        pids=pids if pids is not None and pids > 0 else None,
        blkio_weight=_within(host.integer("BlkioWeight"), 10, 1000, "BlkioWeight") if host.is_set("BlkioWeight") else None,
    )


def _network_mode(mode: str) -> str:
    if mode in ("", "default", "bridge"):
        return "bridge"
    if mode == "none":
        return mode
    raise InvalidParameter(f"network {mode[:60]!r} is not supported: use bridge or none")


def _security_options(options: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in options:
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges" and value in ("", "true", "false"):
            found |= {} if value == "false" else {name: "true"}
        elif name == "seccomp" and value in ("unconfined", "builtin"):
            found[name] = "" if value == "builtin" else value
        else:
            raise InvalidParameter(
                f"invalid security option {option[:60]!r}: use no-new-privileges, seccomp=builtin or seccomp=unconfined"
            )
    return found


def _hostname(text: str) -> str:
    if text and (len(text) > 63 or _HOSTNAME.fullmatch(text) is None):
        raise InvalidParameter(f"invalid hostname {text[:80]!r}: use up to 63 letters, digits, dashes and dots")
    return text


def _sysctls(values: dict[str, str]) -> dict[str, str]:
    """Only those that belong to the container's own namespaces."""
    own = ("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni")
    for name in values:
        if (name not in own and not name.startswith(("net.", "fs.mqueue."))) or "/" in name or ".." in name:
            raise InvalidParameter(f"sysctl {name[:80]!r} is not allowed: it is not the container's own")
    return values


def _ulimit(limit: Document) -> Ulimit:
    return Ulimit(limit.text("Name").lower(), limit.integer("Soft"), limit.integer("Hard"))


def _within(value: int, least: int, most: int, name: str) -> int:
    if not least <= value <= most:
        raise InvalidParameter(f"invalid {name} {value}: use {least} to {most}")
    return value
