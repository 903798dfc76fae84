"""What ps shows of the calling process."""

import ctypes

from engine.linux.libc import call

_PR_SET_NAME = 15
_ARG_START = 47  # fields of proc_pid_stat(5), counted from 0
_ARG_END = 48


def set_title(title: str) -> None:
    """Overwrite the command line that the process was started with, and its short name. Raises OSError."""
    with open("/proc/self/stat") as file:
        # The second field, the name, may hold anything, also spaces and brackets; the rest follows the last bracket.
        fields = ["", "", *file.read().rpartition(")")[2].split()]
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    text = title.encode()[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))
    call("prctl", _PR_SET_NAME, text[:15], 0, 0, 0, subject="process name")
