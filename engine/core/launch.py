"""What the daemon asks the supervisor to launch, as plain JSON-able data.

These are TypedDicts and not dataclasses on purpose: they cross a socket as JSON, and the supervisor, whose memory every fork pays
for, then needs neither ``dataclasses`` nor ``inspect``.
"""

from typing import Literal, NotRequired, TypedDict


class IdMapping(TypedDict):
    """``length`` ids from ``container`` on appear on the host from ``host`` on (user_namespaces(7))."""

    container: int
    host: int
    length: int


class RootfsSpec(TypedDict):
    """Overlay directories; on disk they carry the container's own ids and are id-mapped when mounted.

    ``volatile``: what is written need not outlive the host's run, so that nothing waits for the disk.
    """

    lower: list[str]  # base layer first
    upper: str
    work: str
    readonly: bool
    volatile: NotRequired[bool]


class BindSpec(TypedDict):
    """A file or directory of the host shown in the container; ``idmapped``: root on disk is the container's root.

    ``recursive``: with the mounts below it, where they can be id-mapped. ``subpath``: a part of it that no link leads out of.
    ``of_engine``: a file of the engine's own or the host's, never to be changed; a link is shown as a link.
    """

    source: str
    target: str
    readonly: bool
    idmapped: bool
    recursive: NotRequired[bool]
    subpath: NotRequired[str]
    of_engine: NotRequired[bool]


class TmpfsSpec(TypedDict):
    """An extra tmpfs; ``options`` is the mount data, such as ``size=65536k,mode=1777``. Programs on it run only if ``exec``."""

    target: str
    options: str
    exec: bool
    readonly: NotRequired[bool]


class FileWrite(TypedDict):
    """A value for a control file of the kernel. ``optional``: the host may lack the file."""

    path: str
    value: str
    optional: bool


class CgroupSpec(TypedDict):
    """Directories to make (parents first), values to write, and where the first process is to be put.

    ``join`` holds directories, one for each hierarchy. ``version`` 2 has exactly one, entered with CLONE_INTO_CGROUP.
    """

    version: Literal[1, 2]
    directories: list[str]
    writes: list[FileWrite]
    join: list[str]
    delegated: NotRequired[bool]  # the container's root may make cgroups below its own one of version 2


class DeviceSpec(TypedDict):
    """A device node to be made in the container: ``kind`` is ``c`` or ``b``, ``mode`` its permissions."""

    target: str
    kind: str
    major: int
    minor: int
    mode: int


class DeviceRule(TypedDict):
    """An access that is allowed beyond that of every container: ``kind`` a, b or c, -1 for any number, ``access`` of rwm."""

    kind: str
    major: int
    minor: int
    access: str


class JoinSpec(TypedDict):
    """The first process of a container whose namespace is to be shared, and what tells it from a later one of its number."""

    container_id: str
    pid: int
    identity: str


class NamespacesSpec(TypedDict):
    """Which namespaces are not a container's own. A container that joins another's shares its user namespace too."""

    ipc: NotRequired[JoinSpec]
    pid: NotRequired[JoinSpec]
    net: NotRequired[JoinSpec]
    host: list[str]  # of ipc, pid, net, uts, cgroup


class Rlimit(TypedDict):
    """``name`` as in getrlimit(2) without its prefix, lower case: ``nofile``."""

    name: str
    soft: int
    hard: int


class ProcessSpec(TypedDict):
    """The user's command. ``user`` is ``""``, ``name``, ``uid``, each with an optional ``:group``; read from the rootfs."""

    args: list[str]
    env: list[str]  # "NAME=value"
    cwd: str
    user: str
    groups: list[str]  # supplementary, names or ids
    tty: bool
    stdin: bool  # keep standard input open; otherwise it is /dev/null
    rows: int  # 0: leave the kernel's default
    columns: int
    capabilities: list[str]  # "CAP_CHOWN"; permitted, effective and bounding (inheritable and ambient stay empty)
    no_new_privileges: bool
    seccomp: str  # path of the compiled BPF program; "" for none
    further_seccomp: NotRequired[str]  # another one, of the user's, that holds as well
    rlimits: list[Rlimit]
    oom_score_adj: int


class LogSpec(TypedDict):
    """Where output goes: numbered segments in ``directory``. ``keep_segments`` 0 keeps all of them.

    ``spill``: the folder for the last of what finds no room there.
    """

    directory: str
    segment_bytes: int
    keep_segments: int
    spill: NotRequired[str]


class LaunchSpec(TypedDict):
    """A container, whole. ``network`` tells whether it gets its own network namespace (it always does, for now)."""

    container_id: str
    hostname: str
    domainname: str
    ids: list[IdMapping]
    rootfs: RootfsSpec
    binds: list[BindSpec]
    tmpfs: list[TmpfsSpec]
    shm_bytes: int
    masked_paths: list[str]
    readonly_paths: list[str]
    sysctls: dict[str, str]
    cgroup: CgroupSpec
    process: ProcessSpec
    init: bool  # run our own small PID 1 that reaps and forwards signals
    log: LogSpec
    namespaces: NotRequired[NamespacesSpec]
    devices: NotRequired[list[DeviceSpec]]
    device_rules: NotRequired[list[DeviceRule]]
    shared_memory: NotRequired[bool]  # False: no /dev/shm
    flow_bytes: NotRequired[int]  # how far output may run ahead of the slowest reader; 0: no limit
    acknowledged: NotRequired[int | None]  # up to where all readers have read: what follows is kept for them
    proc_views: NotRequired[list[BindSpec]]  # files of /proc that show the container's own part of the host
    writable_kernel: NotRequired[bool]  # /sys and all cgroups can be written, as far as its user namespace may


class ExecSpec(TypedDict):
    """A further process in a running container."""

    exec_id: str
    container_id: str
    process: ProcessSpec
    cgroup_join: list[str]
    log: LogSpec
    flow_bytes: int  # how far output may run ahead of the first reader; 0: no limit, old output is dropped
