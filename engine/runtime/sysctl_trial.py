"""The process of sysctl_probe: writes kernel parameters in namespaces of its own and says which of them failed.

Single-threaded, standard library only. The parent keeps the host's rights for the id map; the child has none.
"""

import json
import os
import signal
import sys

from engine.linux.identity import become
from engine.linux.namespaces import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER, clone3, write_id_maps

_INTERFACE = "eth0"  # of a container; there is no other than lo in an empty network namespace
_PER_INTERFACE = ("conf", "neigh")


def main() -> None:
    order = json.load(sys.stdin)
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = clone3(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)
    if pid == 0:
        _try(order["values"], go_read)
    write_id_maps(pid, [tuple(entry) for entry in order["ids"]])
    os.write(go_write, b"1")
    found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    if found is None or found.si_code != os.CLD_EXITED or found.si_status:
        os.kill(os.getpid(), signal.SIGKILL)  # the daemon must not take silence for success


def _try(values: dict[str, str], go_read: int) -> None:
    status = 1
    try:
        os.read(go_read, 1)
        become(0, 0, [])
        failed = {}
        for name, value in values.items():
            if reason := _write(name, value):
                failed[name] = reason
        os.write(1, json.dumps(failed).encode())
        status = 0
    finally:
        os._exit(status)


def _write(name: str, value: str) -> str:
    """Why it cannot be written, empty when it can."""
    parts = name.split(".")
    if len(parts) > 3 and parts[2] in _PER_INTERFACE and parts[3] == _INTERFACE:
        parts[3] = "lo"
    try:
        with open("/proc/sys/" + "/".join(parts), "w") as file:
            file.write(value)
    except FileNotFoundError:
        return "this kernel has no such parameter for a container"
    except PermissionError:
        return "it is not the container's own"
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", "") or error).lower()
    return ""
