"""The C library through ctypes: one call helper, system call numbers, errno → OSError. Used by every file of this room."""

import ctypes
import os
from typing import NoReturn

# PyDLL keeps the interpreter lock: a call costs less, and clone3 must not give the lock up between parent and child.
libc = ctypes.PyDLL(None, use_errno=True)
python = ctypes.pythonapi

# Calls that glibc has no function for. Those newer than 2019 have one number on all architectures.
OPEN_TREE = 428
MOVE_MOUNT = 429
FSOPEN = 430
FSCONFIG = 431
FSMOUNT = 432
PIDFD_OPEN = 434
CLONE3 = 435
CLOSE_RANGE = 436
OPENAT2 = 437
MOUNT_SETATTR = 442

_BY_MACHINE = {
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "keyctl": 250, "seccomp": 317, "bpf": 321, "rt_sigaction": 13},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "keyctl": 219, "seccomp": 277, "bpf": 280, "rt_sigaction": 134},
}
_NUMBERS = _BY_MACHINE.get(os.uname().machine, _BY_MACHINE["x86_64"])
PIVOT_ROOT = _NUMBERS["pivot_root"]
CAPGET = _NUMBERS["capget"]
CAPSET = _NUMBERS["capset"]
KEYCTL = _NUMBERS["keyctl"]
SECCOMP = _NUMBERS["seccomp"]
BPF = _NUMBERS["bpf"]
RT_SIGACTION = _NUMBERS["rt_sigaction"]

_syscall = libc.syscall
_syscall.restype = ctypes.c_long


def raise_errno(subject: str | bytes | int | None = None) -> NoReturn:
    """Raise OSError for the errno of the last call, naming what it was about."""
    errno = ctypes.get_errno()
    name = os.fsdecode(subject) if isinstance(subject, bytes) else subject
    raise OSError(errno, os.strerror(errno), name)


def syscall(number: int, *arguments: object, subject: str | bytes | int | None = None) -> int:
    """Make a system call; integers are passed as C longs, bytes as pointers. Raises OSError."""
    result: int = _syscall(
        ctypes.c_long(number), *(ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    )
    if result < 0:
        raise_errno(subject)
    return result


def call(function: str, *arguments: object, subject: str | bytes | int | None = None) -> int:
    """Call a function of the C library that returns -1 and sets errno on failure. Raises OSError."""
    result: int = getattr(libc, function)(*(ctypes.c_long(value) if isinstance(value, int) else value for value in arguments))
    if result < 0:
        raise_errno(subject)
    return result
