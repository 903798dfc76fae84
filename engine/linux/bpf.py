"""bpf(2) as far as device rules of a cgroup and filters of traffic need it: load a program, attach it to a version 2 cgroup."""

import ctypes

from engine.linux.libc import BPF, syscall

_PROG_LOAD = 5
_PROG_ATTACH = 8
_PROG_TYPE_SCHED_CLS = 3
_PROG_TYPE_CGROUP_DEVICE = 15
_ATTACH_CGROUP_DEVICE = 6
_F_ALLOW_MULTI = 2  # rules of the host's own on this cgroup or above stay in force beside ours
_INSTRUCTION_BYTES = 8


class _LoadAttr(ctypes.Structure):
    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_char_p),
        ("license", ctypes.c_char_p),
        ("unused", ctypes.c_uint64 * 12),
    )


class _AttachAttr(ctypes.Structure):
    _fields_ = (
        ("target_fd", ctypes.c_uint32),
        ("attach_bpf_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
        ("unused", ctypes.c_uint64 * 12),
    )


def load_device_program(instructions: bytes) -> int:
    """Load a program that answers 1 for an access to be allowed; a descriptor, close-on-exec. Raises OSError."""
    return _load(_PROG_TYPE_CGROUP_DEVICE, instructions, "device program")


def load_classifier(instructions: bytes) -> int:
    """Load a program that looks at packets for a filter; a descriptor, close-on-exec. Raises OSError."""
    return _load(_PROG_TYPE_SCHED_CLS, instructions, "packet program")


def attach_device_program(cgroup_fd: int, program_fd: int) -> None:
    """Let a program rule over a cgroup for as long as that exists. Raises OSError."""
    attributes = _AttachAttr(cgroup_fd, program_fd, _ATTACH_CGROUP_DEVICE, _F_ALLOW_MULTI)
    syscall(BPF, _PROG_ATTACH, ctypes.byref(attributes), ctypes.sizeof(attributes), subject="device program")


def _load(kind: int, instructions: bytes, subject: str) -> int:
    attributes = _LoadAttr(kind, len(instructions) // _INSTRUCTION_BYTES, instructions, b"Apache-2.0")
    return syscall(BPF, _PROG_LOAD, ctypes.byref(attributes), ctypes.sizeof(attributes), subject=subject)
