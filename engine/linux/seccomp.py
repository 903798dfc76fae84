"""Loading of a compiled system call filter (seccomp(2)). Compiling is done elsewhere, by a process that can afford it."""

import ctypes
import errno

from engine.linux.libc import SECCOMP, syscall

_SET_MODE_FILTER = 1
_INSTRUCTION_BYTES = 8


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def load_filter(program: bytes) -> None:
    """Load a BPF program for this process and all it becomes; it takes CAP_SYS_ADMIN or no_new_privs. Raises OSError."""
    if not program or len(program) % _INSTRUCTION_BYTES:
        raise OSError(errno.EINVAL, "not a seccomp program", f"{len(program)} bytes")
    description = _SockFprog(len(program) // _INSTRUCTION_BYTES, program)
    syscall(SECCOMP, _SET_MODE_FILTER, 0, ctypes.byref(description), subject="seccomp")
