"""Which cgroup hierarchies the host mounts, read from /proc/mounts and never changed."""

from collections.abc import Callable, Iterable

from engine.core.limits import CgroupLayout

_MOUNT_POINT = "/sys/fs/cgroup"
_CONTROLLERS = frozenset(("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "pids"))
_NEEDED = ("memory", "pids")  # version 2 counts only when it has these; on hybrid hosts its tree is there without


def detect_layout() -> CgroupLayout:
    """The layout of this host: pure version 2, version 1, or version 1 with an empty version 2 tree beside it (hybrid)."""
    with open("/proc/mounts") as file:
        lines = file.readlines()
    return parse_layout(lines, read_controllers=_read_controllers)


def parse_layout(lines: Iterable[str], *, read_controllers: Callable[[str], list[str]]) -> CgroupLayout:
    """The layout that lines of /proc/mounts tell; ``read_controllers`` answers what a version 2 mount point offers.

    The first mount of a hierarchy counts; the others are views of it, such as those of containers.
    """
    mounts: dict[str, str] = {}
    unified = ""
    for line in lines:
        _, path, filesystem, options, *_ = line.split()
        if not f"{path}/".startswith(f"{_MOUNT_POINT}/"):
            continue
        if filesystem == "cgroup2" and not unified:
            unified = path
        elif filesystem == "cgroup":
            for option in options.split(","):
                if option in _CONTROLLERS:
                    mounts.setdefault(option, path)
    if unified and set(_NEEDED) <= set(read_controllers(unified)):
        return CgroupLayout(version=2, mounts={}, unified=unified)
    return CgroupLayout(version=1, mounts=mounts, unified=unified)


def _read_controllers(path: str) -> list[str]:
    with open(f"{path}/cgroup.controllers") as file:
        return file.read().split()
