"""The supervisor becomes another version of itself: the same process, children and descriptors, other code.

Owns how its state crosses the exec: facts as JSON in a memfd, descriptors by their numbers. Decides nothing about what the state
means. Part of the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.linux.packets import Body

FORMAT = 1  # raised when an older state cannot be read any more
_VARIABLE = "ATELIER_SUPERVISOR_STATE"


def become(command: list[str], state: Body, fds: list[int]) -> None:
    """Execute ``command`` with the state. Does not return, but raises OSError, with everything as it was."""
    memfd = os.memfd_create("state", os.MFD_CLOEXEC)
    try:
        with open(memfd, "wb", closefd=False) as file:
            file.write(json.dumps({**state, "format": FORMAT}).encode())
        for fd in [memfd, *fds]:
            os.set_inheritable(fd, True)
        os.execve(command[0], command, {**os.environ, _VARIABLE: str(memfd)})  # noqa: S606 - to become the other version is the purpose
    finally:
        for fd in fds:
            os.set_inheritable(fd, False)
        os.close(memfd)


def inherited() -> Body | None:
    """The state of the former self, or None for a supervisor that begins. Raises ValueError for a state of another format."""
    number = os.environ.pop(_VARIABLE, None)
    if number is None:
        return None
    with open(int(number), "rb") as file:
        file.seek(0)  # it stands where the former self stopped to write
        state: Body = json.loads(file.read())
    if state["format"] != FORMAT:
        raise ValueError(f"the state has format {state['format']}, this code reads {FORMAT}")
    return state
