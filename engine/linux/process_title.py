"""What ps shows of the calling process."""

import ctypes

from engine.linux.libc import call

_PR_SET_NAME = 15
_ARG_START = 47  # fields of proc_pid_stat(5), counted from 0
_ARG_END = 48


def command_line_range() -> tuple[int, int]:
    """Address and length of the command line in the memory of the calling process. Raises OSError."""
    with open("/proc/self/stat") as file:
        # The second field, the name, may hold anything, also spaces and brackets; the rest follows the last bracket.
        fields = ["", "", *file.read().rpartition(")")[2].split()]
    return int(fields[_ARG_START]), int(fields[_ARG_END]) - int(fields[_ARG_START])


def clear_command_line() -> None:
    """Leave nothing of the command line for others to read. Raises OSError."""
    start, length = command_line_range()
    ctypes.memset(start, 0, length)


def set_title(title: str) -> None:
    """Overwrite the command line that the process was started with, and its short name. Raises OSError."""
    start, length = command_line_range()
    text = title.encode()[: length - 1]
    ctypes.memset(start, 0, length)
    ctypes.memmove(start, text, len(text))
    call("prctl", _PR_SET_NAME, text[:15], 0, 0, 0, subject="process name")
