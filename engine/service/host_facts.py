"""What the daemon finds out about its host at its start. Reads only."""

import ctypes.util
import os
import platform
import socket
from pathlib import Path

from engine.core.cpusets import parse_set
from engine.errors import InvalidParameter
from engine.linux.cgroups import detect_layout
from engine.service.engine import HostFacts

_MEMORY_NODES = Path("/sys/devices/system/node/has_memory")
_GO_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def host_facts() -> HostFacts:
    """Look around. Raises OSError."""
    system = os.uname()
    return HostFacts(
        name=socket.gethostname(),
        kernel=system.release,
        system=_system_name(),
        machine=system.machine,
        architecture=_GO_ARCHITECTURES.get(system.machine, system.machine),
        processors=frozenset(os.sched_getaffinity(0)),
        memory_nodes=_memory_nodes(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cgroups=detect_layout(),
        is_seccomp_available=ctypes.util.find_library("seccomp") is not None,
    )


def _memory_nodes() -> frozenset[int]:
    """A kernel without NUMA has one node and no such file."""
    try:
        return parse_set(_MEMORY_NODES.read_text().strip(), what="list of memory nodes")
    except (OSError, InvalidParameter):
        return frozenset({0})


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "Linux"


def engine_id(data_path: Path) -> str:
    """Return the id that this data folder was given at its first use."""
    file = data_path / "engine-id"
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        text = Path("/proc/sys/kernel/random/uuid").read_text().strip()
        file.write_text(f"{text}\n")
        return text
