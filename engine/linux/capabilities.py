"""Capabilities of the calling process (capabilities(7))."""

import contextlib
import ctypes
import errno
from collections.abc import Iterator

from engine.linux.libc import CAPGET, CAPSET, syscall
from engine.linux.prctl import PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAPBSET_DROP, PR_CAPBSET_READ, prctl

NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
_VERSION_3 = 0x20080522
_WORD_BITS = 32
_LAST_POSSIBLE = 63


def numbers(names: list[str]) -> frozenset[int]:
    """Numbers of capabilities by name. Raises ValueError for an unknown one."""
    return frozenset(NAMES.index(name) for name in names)


def drop_bounding(kept: frozenset[int]) -> None:
    """Take all others out of the bounding set, those included that this list does not know by name."""
    for number in range(_LAST_POSSIBLE + 1):
        if number not in kept and not _drop_one(number):
            return


def _drop_one(number: int) -> bool:
    """Whether the kernel knows the capability; it is out of the bounding set then."""
    try:
        if prctl(PR_CAPBSET_READ, number):
            prctl(PR_CAPBSET_DROP, number)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def set_capabilities(kept: frozenset[int]) -> None:
    """Permitted and effective become ``kept``; inheritable and ambient become empty."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    for number in kept:
        word, bit = divmod(number, _WORD_BITS)
        data[word * 3] |= 1 << bit  # effective
        data[word * 3 + 1] |= 1 << bit  # permitted
    syscall(CAPSET, ctypes.byref(header), ctypes.byref(data), subject="capset")


def put_down(name: str) -> None:
    """Take a capability out of force for the calling thread and those that it makes; it may be raised again. Raises OSError."""
    data = _read()
    word, bit = _place(name)
    if data[word] & bit:
        data[word] &= ~bit
        _write(data)


@contextlib.contextmanager
def raised(name: str) -> Iterator[None]:
    """Have a capability in force for a while where the calling thread may have it. Raises OSError."""
    data = _read()
    word, bit = _place(name)
    if data[word] & bit or not data[word + 1] & bit:
        yield
        return
    data[word] |= bit
    _write(data)
    try:
        yield
    finally:
        put_down(name)


def is_effective(name: str) -> bool:
    """Whether the calling thread has a capability in force."""
    word, bit = _place(name)
    return bool(_read()[word] & bit)


def is_permitted(name: str) -> bool:
    """Whether the calling thread has a capability in force or may raise it."""
    word, bit = _place(name)
    return bool(_read()[word + 1] & bit)


def _place(name: str) -> tuple[int, int]:
    """Where its word of effective ones is, which that of permitted ones follows; and its bit there."""
    word, bit = divmod(NAMES.index(name), _WORD_BITS)
    return word * 3, 1 << bit


def _read() -> "ctypes.Array[ctypes.c_uint32]":
    data = (ctypes.c_uint32 * 6)()
    syscall(CAPGET, ctypes.byref((ctypes.c_uint32 * 2)(_VERSION_3, 0)), ctypes.byref(data), subject="capget")
    return data


def _write(data: "ctypes.Array[ctypes.c_uint32]") -> None:
    syscall(CAPSET, ctypes.byref((ctypes.c_uint32 * 2)(_VERSION_3, 0)), ctypes.byref(data), subject="capset")
