"""The record of a container: all that the engine remembers of it, as frozen data.

Owns the shape and its JSON form. It decides nothing and touches no disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.health import Healthcheck
from engine.core.lifecycle import State
from engine.core.limits import Limits
from engine.core.log_options import DEFAULT_DRIVER
from engine.core.mounts import BIND, MountPoint, MountRequest
from engine.core.networks import NetworkJoin
from engine.core.ports import PortBinding
from engine.core.restart import RestartPolicy
from engine.core.tenants import Tenant

DEFAULT_SHM_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Ulimit:
    """``name`` as in getrlimit(2), lower case, without prefix."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Bind:
    """A path of the host shown in the container, as older records have it; newer ones have mount points."""

    source: str
    target: str
    readonly: bool
    makes_source: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the host, or a folder of them, shown in the container; administrators only."""

    source: str
    target: str
    access: str = "rwm"  # read, write, make a node


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What runs: the request's values over the image's."""

    image: str  # as the user wrote it
    hostname: str
    domainname: str = ""
    user: str = ""
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()  # targets of anonymous volumes, the image's among them
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = True
    attach_stderr: bool = True
    stop_signal: str = ""
    stop_timeout_seconds: int | None = None
    network_disabled: bool = False
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None  # the image's, for probes that are written as a line of shell

    @property
    def args(self) -> list[str]:
        """The command line: entry point, then command."""
        return [*(self.entrypoint or ()), *(self.cmd or ())]


@dataclass(frozen=True, slots=True)
class HostConfig:
    """How it runs on this host."""

    network_mode: str = "bridge"
    auto_remove: bool = False
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    limits: Limits = field(default_factory=Limits)
    readonly_rootfs: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    no_new_privileges: bool = False
    seccomp: str = ""  # empty: the engine's filter; "unconfined": none; else a profile in Docker's JSON
    binds: tuple[Bind, ...] = ()  # of older records only
    bind_texts: tuple[str, ...] = ()  # as the client wrote them
    mounts: tuple[MountRequest, ...] = ()
    volumes_from: tuple[str, ...] = ()
    volume_driver: str = ""
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    shm_bytes: int = DEFAULT_SHM_BYTES
    sysctls: Mapping[str, str] = field(default_factory=dict)
    masked_paths: tuple[str, ...] | None = None  # None: the engine's list
    readonly_paths: tuple[str, ...] | None = None
    init: bool = False
    oom_score_adj: int = 0
    ulimits: tuple[Ulimit, ...] = ()
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()  # on the default bridge, as "id:alias"
    console_rows: int = 0
    console_columns: int = 0
    privileged: bool = False
    devices: tuple[Device, ...] = ()
    device_rules: tuple[str, ...] = ()  # as devices.allow of cgroup version 1 takes them
    ipc_mode: str = "private"  # private, shareable, none, host, container:<id>
    pid_mode: str = ""  # empty, host, container:<id>
    uts_mode: str = ""  # empty, host
    cgroupns_mode: str = "private"  # private, host
    userns_mode: str = ""  # "host" is asked for but never granted
    security_options: tuple[str, ...] = ()  # as they came, but for a profile's document
    security_labels: tuple[str, ...] = ()  # options for AppArmor and SELinux, as they came: this engine applies neither
    writable_cgroups: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_driver: str = DEFAULT_DRIVER
    log_options: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""  # as they came: there is one of each
    isolation: str = ""
    port_bindings: tuple[PortBinding, ...] = ()
    publish_all: bool = False  # of the ports that are exposed
    storage_options: Mapping[str, str] = field(default_factory=dict)
    docker_socket: bool = False  # its tenant's own, with the host's docker command
    id_file: str = ""  # where the client keeps the id; told back, never opened


@dataclass(frozen=True, slots=True)
class Run:
    """The present or last run. ``exit_code`` is None while it runs, and after it when nobody saw the exit."""

    state: State = State.CREATED
    pid: int = 0
    identity: str = ""  # boot id and pidfd inode: tells the process from a later one with the same pid
    started_ns: int = 0
    finished_ns: int = 0  # while it runs, of the run before
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """One container, whole."""

    container_id: str
    name: str
    tenant: Tenant
    created_ns: int
    image_id: str
    config: ContainerConfig
    host: HostConfig
    run: Run = field(default_factory=Run)
    restart_count: int = 0
    mounts: tuple[MountPoint, ...] = ()  # what came of the request's binds, mounts and volumes
    is_stopped_by_hand: bool = False  # since its last start somebody asked for its end
    networks: tuple[NetworkJoin, ...] | None = None  # None: as the network mode says
    is_build_step: bool = False  # a build's own, and gone with it

    @property
    def is_passing(self) -> bool:
        """Whether what it writes into its own layer is gone after a power cut in any case: it is removed at its end."""
        return self.host.auto_remove or self.is_build_step

    @property
    def mount_points(self) -> tuple[MountPoint, ...]:
        """All mounts but ``--tmpfs``, also of a record that was written before there were volumes."""
        older = (MountPoint(BIND, bind.target, source=bind.source, readonly=bind.readonly) for bind in self.host.binds)
        return (*older, *self.mounts)
