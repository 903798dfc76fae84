"""Which capabilities a container's processes get: Docker's default set, more or less by request.

Owns names and set arithmetic. Pure; the numbers of the kernel are linux/capabilities.py's.
"""

from collections.abc import Sequence

from engine.core.containers import HostConfig
from engine.errors import InvalidParameter

_DEFAULT_NAMES = """
    CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE
"""
_ALL_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST
    NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
    SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
    BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
DEFAULT = tuple(f"CAP_{name}" for name in _DEFAULT_NAMES.split())
ALL = tuple(f"CAP_{name}" for name in _ALL_NAMES.split())


def effective_capabilities(*, add: Sequence[str], drop: Sequence[str]) -> list[str]:
    """Return the set as Docker reckons it: ``ALL`` in either list first, then single names. Raises InvalidParameter."""
    added, dropped = {_parse(name) for name in add}, {_parse(name) for name in drop}
    if "ALL" in added:
        return [name for name in ALL if name not in dropped]
    base = set() if "ALL" in dropped else set(DEFAULT) - dropped
    return [name for name in ALL if name in base | added]


def container_capabilities(host: HostConfig) -> list[str]:
    """Return those of a container's processes; all of them are of its own user namespace only."""
    return list(ALL) if host.privileged else effective_capabilities(add=host.cap_add, drop=host.cap_drop)


def _parse(name: str) -> str:
    upper = name.upper()
    if upper in ("ALL", "CAP_ALL"):
        return "ALL"
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in ALL:
        raise InvalidParameter(f"unknown capability {name[:40]!r}: use a name of capabilities(7) or ALL")
    return full
