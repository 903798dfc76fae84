"""Kernel parameters of a container: which belong to its own namespaces, and those it is given by default. Pure.

Whether this kernel has one, and takes the value, is found out by trying (runtime/sysctl_probe.py).
"""

from collections.abc import Mapping

from engine.errors import InvalidParameter

# As dockerd sets them: ping without a raw socket, and every port for every user. Groups end where the container's map does.
DEFAULTS = {"net.ipv4.ping_group_range": "0 65535", "net.ipv4.ip_unprivileged_port_start": "0"}

_IPC = frozenset(
    f"kernel.{name}"
    for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced", "auto_msgmni")
)
_IPC_PREFIX = "fs.mqueue."
_NET_PREFIX = "net."
# The table of neighbours is one for the whole host, with 1024 places: what is never given up there keeps all others out.
_OF_ALL = ("net.ipv4.neigh.", "net.ipv6.neigh.")
_LONGEST = 4096


def check_sysctls(values: Mapping[str, str], *, own_network: bool, own_ipc: bool) -> None:
    """Raise InvalidParameter for a parameter that is not one of the container's own namespaces."""
    for name, value in values.items():
        is_ipc, is_net = name in _IPC or name.startswith(_IPC_PREFIX), name.startswith(_NET_PREFIX)
        if not (is_ipc or is_net) or "/" in name or ".." in name or name.endswith("."):
            raise InvalidParameter(f"sysctl {name[:80]!r} is not allowed: it is not the container's own")
        if name.startswith(_OF_ALL):
            raise InvalidParameter(f"sysctl {name[:80]!r} is not allowed: the table of neighbours is one for the whole host")
        if is_net and not own_network:
            raise InvalidParameter(f"sysctl {name[:80]!r} is not allowed: the container has no network of its own")
        if is_ipc and not own_ipc:
            raise InvalidParameter(f"sysctl {name[:80]!r} is not allowed: the container shares its ipc namespace")
        if len(value) > _LONGEST:
            raise InvalidParameter(f"invalid value of sysctl {name[:80]!r}: use up to {_LONGEST} characters")
