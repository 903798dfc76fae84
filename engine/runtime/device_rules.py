"""Which devices a container may open, as a program for its version 2 cgroup; version 1 has control files for it.

The mounts of a container forbid devices already (nodev), but one that was given CAP_SYS_ADMIN can lift that.
"""

import struct

_INSTRUCTION = struct.Struct("=BBhi")  # code, registers (source high, target low), jump, number
_LOAD_WORD = 0x61
_MOVE = 0xB7
_AND = 0x57
_SHIFT_RIGHT = 0x77
_JUMP_EQUAL = 0x15
_JUMP_NOT_EQUAL = 0x55
_JUMP_GREATER = 0x25
_JUMP_LESS = 0xA5
_EXIT = 0x95

# struct bpf_cgroup_dev_ctx: access_type (access << 16 | type), major, minor, four bytes each.
_TYPE, _ACCESS, _MAJOR, _MINOR = 2, 3, 4, 5  # registers
_TYPE_BITS = 0xFFFF
_CHARACTER = 2
_ACCESS_MAKE_NODE = 1

_MEMORY_MAJOR, _MEMORY_MINORS = 1, (3, 5, 7, 8, 9)  # null zero full random urandom
_TERMINAL_MAJOR, _TERMINAL_MINORS = 5, (0, 1, 2)  # tty console ptmx
_FIRST_PTS_MAJOR, _LAST_PTS_MAJOR = 136, 143


def device_program() -> bytes:
    """The instructions: making a node is harmless, opening is for the devices every container has."""
    allow = [_op(_MOVE, 0, 1), _op(_EXIT)]
    deny = [_op(_MOVE, 0, 0), _op(_EXIT)]
    code = [_op(_LOAD_WORD, _source(1) | register, offset=offset) for register, offset in ((_TYPE, 0), (_MAJOR, 4), (_MINOR, 8))]
    code += [_op(_LOAD_WORD, _source(1) | _ACCESS), _op(_SHIFT_RIGHT, _ACCESS, 16), _op(_AND, _TYPE, _TYPE_BITS)]
    code += [_op(_JUMP_NOT_EQUAL, _ACCESS, _ACCESS_MAKE_NODE, offset=len(allow)), *allow]
    code += [_op(_JUMP_EQUAL, _TYPE, _CHARACTER, offset=len(deny)), *deny]
    code += _allow_minors(_MEMORY_MAJOR, _MEMORY_MINORS, allow) + _allow_minors(_TERMINAL_MAJOR, _TERMINAL_MINORS, allow)
    code += [_op(_JUMP_LESS, _MAJOR, _FIRST_PTS_MAJOR, offset=len(allow) + 1)]
    code += [_op(_JUMP_GREATER, _MAJOR, _LAST_PTS_MAJOR, offset=len(allow)), *allow]
    return b"".join(code + deny)


def _allow_minors(major: int, minors: tuple[int, ...], allow: list[bytes]) -> list[bytes]:
    """Allow these minor numbers of one major number; others go on."""
    tests = [_op(_JUMP_NOT_EQUAL, _MINOR, minor, offset=len(allow)) for minor in minors]
    body = [line for test in tests for line in (test, *allow)]
    return [_op(_JUMP_NOT_EQUAL, _MAJOR, major, offset=len(body)), *body]


def _op(code: int, registers: int = 0, number: int = 0, *, offset: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, registers, offset, number)


def _source(register: int) -> int:
    return register << 4
