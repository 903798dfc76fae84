"""Which devices a container may open, as a program for its version 2 cgroup; version 1 has control files for it.

The mounts of a container forbid devices already (nodev), but one that was given CAP_SYS_ADMIN can lift that.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.core.launch import DeviceRule

_INSTRUCTION = struct.Struct("=BBhi")  # code, registers (source high, target low), jump, number
_LOAD_WORD = 0x61
_MOVE = 0xB7
_MOVE_REGISTER = 0xBF
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
_KINDS = {"b": 1, "c": 2}
_CHARACTER = _KINDS["c"]
_ACCESS_BITS = {"m": 1, "r": 2, "w": 4}
_ACCESS_MAKE_NODE = _ACCESS_BITS["m"]
_ALL_ACCESS = sum(_ACCESS_BITS.values())
_SCRATCH = 0  # register

_MEMORY_MAJOR, _MEMORY_MINORS = 1, (3, 5, 7, 8, 9)  # null zero full random urandom
_TERMINAL_MAJOR, _TERMINAL_MINORS = 5, (0, 1, 2)  # tty console ptmx
_FIRST_PTS_MAJOR, _LAST_PTS_MAJOR = 136, 143


def device_program(rules: Sequence[DeviceRule] = ()) -> bytes:
    """The instructions: making a node is harmless, opening is for the devices every container has and for what ``rules`` add."""
    allow = [_op(_MOVE, 0, 1), _op(_EXIT)]
    deny = [_op(_MOVE, 0, 0), _op(_EXIT)]
    code = [_op(_LOAD_WORD, _source(1) | register, offset=offset) for register, offset in ((_TYPE, 0), (_MAJOR, 4), (_MINOR, 8))]
    code += [_op(_LOAD_WORD, _source(1) | _ACCESS), _op(_SHIFT_RIGHT, _ACCESS, 16), _op(_AND, _TYPE, _TYPE_BITS)]
    code += [_op(_JUMP_NOT_EQUAL, _ACCESS, _ACCESS_MAKE_NODE, offset=len(allow)), *allow]
    for rule in rules:
        code += _allow_rule(rule, allow)
    code += [_op(_JUMP_EQUAL, _TYPE, _CHARACTER, offset=len(deny)), *deny]
    code += _allow_minors(_MEMORY_MAJOR, _MEMORY_MINORS, allow) + _allow_minors(_TERMINAL_MAJOR, _TERMINAL_MINORS, allow)
    code += [_op(_JUMP_LESS, _MAJOR, _FIRST_PTS_MAJOR, offset=len(allow) + 1)]
    code += [_op(_JUMP_GREATER, _MAJOR, _LAST_PTS_MAJOR, offset=len(allow)), *allow]
    return b"".join(code + deny)


def _allow_rule(rule: DeviceRule, allow: list[bytes]) -> list[bytes]:
    """Allow what a rule says; anything else goes on. What is asked for must be no more than the rule's access."""
    denied = _ALL_ACCESS & ~sum(_ACCESS_BITS[letter] for letter in rule["access"])
    tests = [] if rule["kind"] == "a" else [(_TYPE, _KINDS[rule["kind"]])]
    tests += [(register, number) for register, number in ((_MAJOR, rule["major"]), (_MINOR, rule["minor"])) if number >= 0]
    body = list(allow)
    if denied:
        check = [_op(_MOVE_REGISTER, _source(_ACCESS) | _SCRATCH), _op(_AND, _SCRATCH, denied)]
        body = [*check, _op(_JUMP_NOT_EQUAL, _SCRATCH, 0, offset=len(body)), *body]
    for register, number in reversed(tests):
        body = [_op(_JUMP_NOT_EQUAL, register, number, offset=len(body)), *body]
    return body


def _allow_minors(major: int, minors: tuple[int, ...], allow: list[bytes]) -> list[bytes]:
    """Allow these minor numbers of one major number; others go on."""
    tests = [_op(_JUMP_NOT_EQUAL, _MINOR, minor, offset=len(allow)) for minor in minors]
    body = [line for test in tests for line in (test, *allow)]
    return [_op(_JUMP_NOT_EQUAL, _MAJOR, major, offset=len(body)), *body]


def _op(code: int, registers: int = 0, number: int = 0, *, offset: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, registers, offset, number)


def _source(register: int) -> int:
    return register << 4
