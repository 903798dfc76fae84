"""Profiles to BPF programs through libseccomp. Daemon only: the library is not small."""

import errno
import platform
import struct
import tempfile
from typing import TYPE_CHECKING

from engine.errors import InvalidParameter, Unavailable
from engine.runtime.seccomp_calls import RECENT_NUMBERS
from engine.runtime.seccomp_profile import Action, Profile, Rule

if TYPE_CHECKING:
    import pyseccomp

_BINARY_TREE = 2
_X32_BIT = 0x40000000
_LAST_KNOWN = max(RECENT_NUMBERS.values())

# BPF (struct sock_filter: code, jump if true, jump if false, value) and what a seccomp program returns; seccomp(2).
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_RETURN = 0x06
_NUMBER_OFFSET = 0  # in struct seccomp_data
_ARCHITECTURE_OFFSET = 4
_ARGUMENT_OFFSET = 16  # the first one's lower half, all that a 32-bit program has
_SECOND_ARGUMENT_OFFSET = 24
_ARCHITECTURE_I386 = 0x40000003  # AUDIT_ARCH_I386
_SOCKETCALL_I386 = 102
_SYS_SOCKET, _SYS_SETSOCKOPT = 1, 14  # of socketcall(2)
# setsockopt(2) by architecture (AUDIT_ARCH_X86_64, I386, AARCH64, ARM): its numbers mean other calls elsewhere.
_SETSOCKOPTS = {
    "x86_64": ((0xC000003E, 54), (0xC000003E, _X32_BIT | 541), (_ARCHITECTURE_I386, 366)),
    "aarch64": ((0xC00000B7, 208), (0x40000028, 294)),
}
_SOL_PACKET, _PACKET_FANOUT, _PLAIN_FANOUT_BYTES = 263, 18, 4
_THIRD_ARGUMENT_OFFSET = 32
_FIFTH_ARGUMENT_OFFSET = 48
_IOCTLS = {"x86_64": (16, 54, _X32_BIT | 514), "aarch64": (29, 54)}  # of 64-bit, 32-bit and x32 programs
# BTRFS_IOC_SNAP_CREATE, SUBVOL_CREATE, their second versions, SUBVOL_SETFLAGS, and SET_RECEIVED_SUBVOL, which 32-bit programs
# call by another number (linux/btrfs.h, fs/btrfs/ioctl.c).
_SUBVOLUME_REQUESTS = (0x50009401, 0x5000940E, 0x50009417, 0x50009418, 0x4008941A, 0xC0C89425, 0xC0C09425)
_RETURN_ERRNO = 0x00050000
_RETURNS = {
    "ALLOW": 0x7FFF0000,
    "ERRNO": _RETURN_ERRNO,
    "KILL": 0x00000000,
    "KILL_PROCESS": 0x80000000,
    "TRAP": 0x00030000,
    "LOG": 0x7FFC0000,
}
_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS of the kernel


def compile_profile(profile: Profile) -> bytes:
    """The BPF program of a profile for this machine and the 32-bit programs it can run. Raises Unavailable."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError) as error:
        raise Unavailable("libseccomp is missing: install libseccomp2 or run the container with seccomp=unconfined") from error
    seccomp_filter = pyseccomp.SyscallFilter(_action(pyseccomp, profile.default_effect))
    seccomp_filter.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _BINARY_TREE)
    for architecture in {"x86_64": [pyseccomp.Arch.X86], "aarch64": [pyseccomp.Arch.ARM]}.get(platform.machine(), []):
        seccomp_filter.add_arch(architecture)
    unknown = [name for rule in profile.rules for name in _add_rule(pyseccomp, seccomp_filter, rule, profile)]
    with tempfile.TemporaryFile() as file:
        seccomp_filter.export_bpf(file)
        file.seek(0)
        gate = b"" if profile.has_old_socket_gate else _no_old_socket_gate()
        gate += b"" if profile.may_make_subvolumes else _no_subvolume_gate()
        gate += b"" if profile.may_size_fanouts else _plain_fanout_gate()
        program = _prologue(unknown, is_open=profile.default_effect[0] == "ALLOW") + gate + file.read()
    if len(program) > _MOST_INSTRUCTIONS * _INSTRUCTION.size:
        count = len(program) // _INSTRUCTION.size
        raise InvalidParameter(f"invalid seccomp profile: it takes {count} instructions, the kernel takes {_MOST_INSTRUCTIONS}")
    return program


def _action(library: "pyseccomp", effect: tuple[Action, int]) -> int:
    name, number = effect
    action: int = library.ERRNO(number) if name == "ERRNO" else getattr(library, name)
    return action


def _add_rule(
    library: "pyseccomp", seccomp_filter: "pyseccomp.SyscallFilter", rule: Rule, profile: Profile
) -> list[tuple[str, int]]:
    """Add it for each call; answers names that the library does not know, with what the filter is to return for them."""
    if rule.effect == profile.default_effect:
        return []
    unknown = []
    conditions = [
        library.Arg(entry.index, getattr(library, entry.comparison), entry.value, entry.second) for entry in rule.conditions
    ]
    for name in rule.names:
        try:
            seccomp_filter.add_rule(_action(library, rule.effect), name, *conditions)
        except (OSError, ValueError):
            if not rule.conditions:
                unknown.append((name, _RETURNS[rule.effect[0]] | rule.effect[1]))
    return unknown


def _prologue(unknown: list[tuple[str, int]], *, is_open: bool) -> bytes:
    """Instructions that come first: recent calls which the library had no name for, and ENOSYS to those after them.

    A program that tries a new call falls back on ENOSYS, but takes EPERM for the last word. A profile that allows what it does
    not name allows those too.
    """
    answers = {RECENT_NUMBERS[name]: answer for name, answer in unknown if name in RECENT_NUMBERS}
    code = [_INSTRUCTION.pack(_LOAD, 0, 0, _NUMBER_OFFSET)]
    for number, answer in sorted(answers.items()):
        code += [_INSTRUCTION.pack(_JUMP_EQUAL, 0, 1, number), _INSTRUCTION.pack(_RETURN, 0, 0, answer)]
    code += (
        []
        if is_open
        else [
            _INSTRUCTION.pack(_JUMP_AT_LEAST, 2, 0, _X32_BIT),
            _INSTRUCTION.pack(_JUMP_AT_LEAST, 0, 1, _LAST_KNOWN + 1),
            _INSTRUCTION.pack(_RETURN, 0, 0, _RETURN_ERRNO | errno.ENOSYS),
        ]
    )
    return b"".join(code)


def _no_old_socket_gate() -> bytes:
    """Instructions that answer ENOSYS to an i386 program's socketcall that would make a socket or set an option of one.

    By hand, as libseccomp takes a rule for socket(2) to mean this gate as well, and drops the conditions there.
    """
    code = [
        _INSTRUCTION.pack(_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 0, 6, _ARCHITECTURE_I386),
        _INSTRUCTION.pack(_LOAD, 0, 0, _NUMBER_OFFSET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 0, 4, _SOCKETCALL_I386),
        _INSTRUCTION.pack(_LOAD, 0, 0, _ARGUMENT_OFFSET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, _SYS_SOCKET),
        _INSTRUCTION.pack(_JUMP_EQUAL, 0, 1, _SYS_SETSOCKOPT),
        _INSTRUCTION.pack(_RETURN, 0, 0, _RETURN_ERRNO | errno.ENOSYS),
    ]
    return b"".join(code)


def _no_subvolume_gate() -> bytes:
    """Instructions that answer EPERM to requests of ioctl(2) which make or mark a btrfs subvolume.

    By hand, as only the lower half of a request counts for the kernel, and libseccomp would compare all of it. Which kind of
    program calls is not looked at: whatever else has one of these numbers would hardly have such a second argument.
    """
    numbers = _IOCTLS.get(platform.machine(), ())
    code = [_INSTRUCTION.pack(_LOAD, 0, 0, _NUMBER_OFFSET)]
    behind = len(_SUBVOLUME_REQUESTS) + 2  # instructions from the first comparison of a request to the end
    for left, number in zip(range(len(numbers) - 1, -1, -1), numbers, strict=True):
        code.append(_INSTRUCTION.pack(_JUMP_EQUAL, left, 0 if left else behind, number))
    code.append(_INSTRUCTION.pack(_LOAD, 0, 0, _SECOND_ARGUMENT_OFFSET))
    for left, request in zip(range(len(_SUBVOLUME_REQUESTS) - 1, -1, -1), _SUBVOLUME_REQUESTS, strict=True):
        code.append(_INSTRUCTION.pack(_JUMP_EQUAL, left, 0 if left else 1, request))
    return b"".join([*code, _INSTRUCTION.pack(_RETURN, 0, 0, _RETURN_ERRNO | errno.EPERM)]) if numbers else b""


def _plain_fanout_gate() -> bytes:
    """Instructions that answer EPERM to a group of packet sockets which names its size: 512 KiB for one, that no cgroup counts.

    The plain form has room for 256 sockets. By hand, as only the lower halves of these arguments count for the kernel.
    """
    code = []
    for architecture, number in _SETSOCKOPTS.get(platform.machine(), ()):
        code += [
            _INSTRUCTION.pack(_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
            _INSTRUCTION.pack(_JUMP_EQUAL, 0, 9, architecture),
            _INSTRUCTION.pack(_LOAD, 0, 0, _NUMBER_OFFSET),
            _INSTRUCTION.pack(_JUMP_EQUAL, 0, 7, number),
            _INSTRUCTION.pack(_LOAD, 0, 0, _SECOND_ARGUMENT_OFFSET),
            _INSTRUCTION.pack(_JUMP_EQUAL, 0, 5, _SOL_PACKET),
            _INSTRUCTION.pack(_LOAD, 0, 0, _THIRD_ARGUMENT_OFFSET),
            _INSTRUCTION.pack(_JUMP_EQUAL, 0, 3, _PACKET_FANOUT),
            _INSTRUCTION.pack(_LOAD, 0, 0, _FIFTH_ARGUMENT_OFFSET),
            _INSTRUCTION.pack(_JUMP_EQUAL, 1, 0, _PLAIN_FANOUT_BYTES),
            _INSTRUCTION.pack(_RETURN, 0, 0, _RETURN_ERRNO | errno.EPERM),
        ]
    return b"".join(code)
