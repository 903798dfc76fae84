"""Process descriptors: a process by a handle that cannot be reused, unlike its number (pidfd_open(2))."""

import errno
import fcntl
import os
import select
import signal
import struct

from engine.linux.files import PID_FS_MAGIC, filesystem_magic

# _IOWR(0xFF, 11, struct pidfd_info of 72 bytes); Linux 6.15 and later answer the exit status after the reap.
_PIDFD_GET_INFO = 0xC048FF0B
_PIDFD_INFO_EXIT = 1 << 3
_INFO_BYTES = 72
_EXIT_CODE_OFFSET = 60
_START_FIELD = 19  # of those behind the name
_PROCESS_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9


def pidfd_open(pid: int) -> int:
    """A descriptor of the process, close-on-exec. Raises ProcessLookupError."""
    return os.pidfd_open(pid)


def send_signal(pidfd: int, number: int) -> None:
    """Raises ProcessLookupError when the process is gone."""
    signal.pidfd_send_signal(pidfd, number)


def send_signal_to_group(pidfd: int, number: int) -> None:
    """To all of the group that the process leads; to it alone on older kernels. Raises ProcessLookupError when all are gone."""
    try:
        signal.pidfd_send_signal(pidfd, number, None, _PROCESS_GROUP)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        send_signal(pidfd, number)


def is_alive(pidfd: int) -> bool:
    """Whether the process has not exited yet (a zombie has)."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return not poll.poll(0)


def pid_of(pidfd: int) -> int:
    """The number of the process, -1 when it has been reaped (proc_pid_fdinfo(5))."""
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("Pid:")), -1)


def inode(pidfd: int) -> int:
    """A number that every descriptor of the same process shares and no other process of this boot has; 0 before Linux 6.9."""
    return os.fstat(pidfd).st_ino if filesystem_magic(pidfd) == PID_FS_MAGIC else 0


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since the boot (proc_pid_stat(5)). Raises ProcessLookupError."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[_START_FIELD])
    except FileNotFoundError as error:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from error


def exit_wait_status(pidfd: int) -> int | None:
    """The wait status of a process that someone else has reaped, or None while unknown or on kernels before 6.15."""
    request = bytearray(_INFO_BYTES)
    struct.pack_into("Q", request, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, request)
    except OSError:
        return None
    if not struct.unpack_from("Q", request, 0)[0] & _PIDFD_INFO_EXIT:
        return None
    status: int = struct.unpack_from("i", request, _EXIT_CODE_OFFSET)[0]
    return status
