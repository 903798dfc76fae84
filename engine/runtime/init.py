"""The child side of a new container: from clone3 to the user's command. Runs in the forked supervisor, in the new namespaces.

The mounts are made while the daemon builds the network; what only the network waits for, and what depends on it, comes after.
"""

import gc
import os
import struct
from typing import NamedTuple, NoReturn

from engine.core.launch import LaunchSpec
from engine.linux.files import close_all_but
from engine.linux.identity import become
from engine.linux.namespaces import CLONE_NEWCGROUP, unshare
from engine.linux.prctl import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, join_new_session_keyring, prctl
from engine.linux.route_socket import loopback_up, send_messages
from engine.linux.uts import set_names
from engine.runtime import control_groups, filesystem, reaper, steps
from engine.runtime.command import run_command
from engine.runtime.streams import ChildStreams

SETTLED = b"\1"  # comes first on the pipe: the child has its ids, and the parent has stopped looking at it
GO_HEADER = struct.Struct("=I")  # bytes of netlink messages that follow
_MESSAGE_LENGTH = struct.Struct("=I")  # of struct nlmsghdr, its first field
_ALIGNMENT = 4


class ChildEnd(NamedTuple):
    """All that the child keeps of what it inherits."""

    prepared: filesystem.Prepared
    tasks: list[int]
    streams: ChildStreams
    programs: list[bytes]
    go_fd: int
    errors_fd: int

    def fds(self) -> list[int]:
        """Descriptors to keep; the supervisor's own standard streams stay until the container's replace them."""
        return [0, 1, 2, *self.prepared.fds(), *self.tasks, *self.streams.fds(), self.go_fd, self.errors_fd]


def run(spec: LaunchSpec, end: ChildEnd) -> NoReturn:
    """Never returns: becomes the user's command, or reports why not and exits."""
    try:
        gc.disable()
        os.umask(0o022)
        prctl(PR_SET_DUMPABLE, 0)
        close_all_but(sorted(set(end.fds())))
        _run(spec, end)
    except Exception as error:  # whatever it is, the parent must hear of it
        failure = steps.report(end.errors_fd, error)
        if failure.step == "join":  # the parent is still looking at this process, so it must not vanish under its eyes
            os.read(end.go_fd, len(SETTLED))
        os._exit(failure.exit_code or 1)
    finally:
        os._exit(1)


def _run(spec: LaunchSpec, end: ChildEnd) -> NoReturn:
    steps.reach("join")
    control_groups.join(end.tasks)
    of_host = spec["namespaces"]["host"] if "namespaces" in spec else []
    if "cgroup" not in of_host:
        unshare(CLONE_NEWCGROUP)
    join_new_session_keyring()  # before the ids change: keys count against the host's root, who has no narrow quota
    _read_exactly(end.go_fd, len(SETTLED))
    become(0, 0, [])
    filesystem.build(spec, end.prepared, terminal_fd=end.streams.stdout if end.streams.terminal else -1)
    messages = _wait_for_go(end.go_fd)
    steps.reach("network")
    if "uts" not in of_host:
        set_names(spec["hostname"], spec["domainname"])
    if "net" not in of_host:
        send_messages([loopback_up(), *messages])
    filesystem.finish(spec)
    if spec["init"]:
        _split_off_reaper(end.programs)
    run_command(spec["process"], end.streams, programs=end.programs, errors_fd=end.errors_fd, make_directory=True)


def _wait_for_go(go_fd: int) -> list[bytes]:
    """Netlink messages from the daemon. A closed pipe means that the start was called off."""
    length = GO_HEADER.unpack(_read_exactly(go_fd, GO_HEADER.size))[0]
    data = _read_exactly(go_fd, length)
    os.close(go_fd)
    return _split(data)


def _read_exactly(fd: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = os.read(fd, length - len(data))
        if not chunk:
            os._exit(1)
        data += chunk
    return data


def _split(data: bytes) -> list[bytes]:
    messages = []
    while data:
        length = _MESSAGE_LENGTH.unpack_from(data)[0]
        padded = -(-length // _ALIGNMENT) * _ALIGNMENT
        messages.append(data[:length])
        data = data[padded:]
    return messages


def _split_off_reaper(programs: list[bytes]) -> None:
    """This process stays as reaper; the user's command goes on as its child."""
    if os.getpid() != 1:  # in a shared process id namespace another process would get the orphans
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    reaper.hold_signals()
    child = os.fork()  # lets them in again before it becomes the command
    if child:
        reaper.supervise(child, programs=programs)
