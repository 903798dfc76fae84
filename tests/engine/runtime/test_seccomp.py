"""System call filters: the default as data, Docker's JSON, and compiled ones in force."""

import ctypes
import errno
import json
import os
import platform
from pathlib import Path

import pytest

from engine.errors import InvalidParameter
from engine.linux.prctl import PR_SET_NO_NEW_PRIVS, prctl
from engine.linux.seccomp import load_filter
from engine.runtime.seccomp_cache import SeccompCache
from engine.runtime.seccomp_calls import ALLOWED, BY_CAPABILITY
from engine.runtime.seccomp_compiler import compile_profile
from engine.runtime.seccomp_document import parse_profile
from engine.runtime.seccomp_profile import Condition, Profile, Rule, default_profile

X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="uses numbers of x86_64")
LIBC = ctypes.CDLL(None, use_errno=True)


def names(profile: Profile) -> set[str]:
    return {name for rule in profile.rules if rule.errno == 0 and not rule.conditions for name in rule.names}


def errno_under(program: bytes, number: int, *arguments: int) -> int:
    """errno of a system call in a child under the filter, 0 when it worked."""
    pid = os.fork()
    if pid == 0:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        load_filter(program)
        failed = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments)) < 0
        os._exit(ctypes.get_errno() if failed else 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("capability", BY_CAPABILITY)
def test_a_capability_brings_its_calls(capability: str) -> None:
    assert set(BY_CAPABILITY[capability].split()) <= names(default_profile([capability]))


@pytest.mark.parametrize(
    "name",
    [
        "mount",
        "unshare",
        "setns",
        "bpf",
        "keyctl",
        "add_key",
        "kexec_load",
        "init_module",
        "io_uring_setup",
        "userfaultfd",
        "reboot",
    ],
)
def test_without_capabilities_dangerous_calls_are_not_allowed(name: str) -> None:
    assert name not in names(default_profile([]))


def test_no_call_is_named_twice() -> None:
    assert len(ALLOWED) == len(set(ALLOWED))


@X86
@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        (39, (), 0),  # getpid
        (272, (0x10000000,), errno.EPERM),  # unshare(CLONE_NEWUSER)
        (250, (0,), errno.EPERM),  # keyctl
        (425, (1, 0), errno.EPERM),  # io_uring_setup
        (435, (0, 0), errno.ENOSYS),  # clone3, so that the C library falls back
        (56, (0x10000000,), errno.EPERM),  # clone(CLONE_NEWUSER)
        (41, (1, 1, 0), 0),  # socket(AF_UNIX)
        (41, (38, 5, 0), errno.EPERM),  # socket(AF_ALG)
        (41, (40, 1, 0), errno.EPERM),  # socket(AF_VSOCK)
        (41, (44, 3, 0), errno.EPERM),  # socket(AF_XDP)
        (41, (39, -1, 0), errno.EINVAL),  # socket(AF_NFC) and those that follow reach the kernel
        (41, (43, -1, 0), errno.EINVAL),
        (41, (45, -1, 0), errno.EINVAL),
        (135, (0xFFFFFFFF,), 0),  # personality, asking
        (135, (0x0040000,), errno.EPERM),  # personality(ADDR_NO_RANDOMIZE)
        (16, (-1, 0x5000940E), errno.EPERM),  # ioctl(BTRFS_IOC_SUBVOL_CREATE)
        (16, (-1, 0x50009418), errno.EPERM),  # its second version
        (16, (-1, -0x1_0000_0000 | 0x50009401), errno.EPERM),  # only the lower half of a request counts
        (16, (-1, 0x4008941A), errno.EPERM),  # ioctl(BTRFS_IOC_SUBVOL_SETFLAGS)
        (16, (-1, 0xC0C89425), errno.EPERM),  # ioctl(BTRFS_IOC_SET_RECEIVED_SUBVOL)
        (16, (-1, 0xC0C09425), errno.EPERM),  # the last one of the list
        (16, (-1, 0x40049409), errno.EBADF),  # FICLONE
        (16, (-1, 0x5413), errno.EBADF),  # TIOCGWINSZ
        (54, (-1, 1, 0, 0, 0), errno.EBADF),  # setsockopt, which has the number of ioctl in 32-bit programs
        (54, (-1, 263, 18, 0, 8), errno.EPERM),  # setsockopt(PACKET_FANOUT) with a size
        (54, (-1, 1 << 32 | 263, 1 << 32 | 18, 0, 1 << 32 | 8), errno.EPERM),  # only the lower halves count
        (54, (-1, 263, 18, 0, 1 << 32 | 4), errno.EBADF),  # and without one
        (54, (-1, 263, 5, 0, 16), errno.EBADF),  # setsockopt(PACKET_RX_RING)
        (452, (-1, 0, 0, 0), errno.EFAULT),  # fchmodat2: reaches the kernel even if the library has no name for it
        (1000, (), errno.ENOSYS),  # a call of the future
    ],
)
def test_the_default_filter_in_force(number: int, arguments: tuple[int, ...], expected: int) -> None:
    assert errno_under(compile_profile(default_profile([])), number, *arguments) == expected


DOCUMENT = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 11, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
        {
            "names": ["dup"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 1, "value": 4, "valueTwo": 5, "op": "SCMP_CMP_MASKED_EQ"}],
        },
    ],
}


@pytest.mark.parametrize(
    ("capabilities", "machine", "rules"),
    [
        ([], "x86_64", [("clone",), ("arch_prctl",), ("dup",)]),
        (["CAP_SYS_ADMIN"], "x86_64", [("mount",), ("arch_prctl",), ("dup",)]),
        ([], "aarch64", [("clone",), ("dup",)]),
    ],
)
def test_dockers_form_is_read_for_capabilities_and_machine(
    capabilities: list[str], machine: str, rules: list[tuple[str, ...]]
) -> None:
    profile = parse_profile(DOCUMENT, capabilities, machine=machine)
    assert profile.default_errno == 38
    assert [rule.names for rule in profile.rules] == [("read", "write"), *rules]
    assert profile.rules[-1] == Rule(("dup",), conditions=(Condition(1, "MASKED_EQ", 4, 5),))


@pytest.mark.parametrize(
    "document",
    [[], {}, {"defaultAction": "SCMP_ACT_NOTIFY"}, {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"]}]}, "text"],
)
def test_what_is_no_profile_is_refused(document: object) -> None:
    with pytest.raises(InvalidParameter, match="invalid seccomp profile"):
        parse_profile(document, [])


def test_a_filter_is_compiled_once_and_found_by_what_it_says(tmp_path: Path) -> None:
    cache = SeccompCache(tmp_path / "seccomp")
    first = Path(cache.path(["CAP_CHOWN"]))
    stamp = first.stat().st_mtime_ns
    assert cache.path(["CAP_KILL"]) == str(first), "neither capability has calls of its own"
    assert cache.path(["CAP_SYS_ADMIN"]) != str(first)
    assert cache.path([], document=json.dumps(DOCUMENT)) != str(first)
    assert first.stat().st_mtime_ns == stamp
    assert sorted(path.suffix for path in (tmp_path / "seccomp").iterdir()) == [".bpf"] * 3


def test_a_document_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="invalid seccomp profile"):
        SeccompCache(tmp_path).path([], document="{")


@X86
@pytest.mark.parametrize(("default", "expected"), [("SCMP_ACT_ALLOW", errno.ENOSYS), ("SCMP_ACT_ERRNO", errno.ENOSYS)])
def test_calls_that_the_library_has_no_name_for_are_answered_as_the_profile_says(default: str, expected: int) -> None:
    """fchmodat2 is younger than many a libseccomp; a profile that forbids it must not pass over that."""
    rules = [{"names": ["fchmodat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]
    always = [{"names": ["exit_group", "exit", "seccomp", "futex", "write"], "action": "SCMP_ACT_ALLOW"}]
    program = compile_profile(parse_profile({"defaultAction": default, "syscalls": [*rules, *always]}, []))
    assert errno_under(program, 452, -1, 0, 0, 0) == 7
    assert errno_under(program, 1000) == expected


def test_filters_do_not_add_up(tmp_path: Path) -> None:
    cache = SeccompCache(tmp_path, most=3)
    for number in range(1, 6):
        document = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": number})
        cache.path([], document=document)
    assert len(list(tmp_path.glob("*.bpf"))) == 3
    document = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1})
    assert Path(cache.path([], document=document)).exists(), "what went is made again"
