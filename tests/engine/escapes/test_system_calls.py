"""System calls that a container must not get through with, each made from inside: natively, by the 32-bit gate, as x32."""

import platform

import pyseccomp
import pytest

from tests.engine.escapes.cells import Cell

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers and gates are those of x86-64"),
]

FILESYSTEMS = (
    *("tmpfs", "proc", "sysfs", "overlay", "cgroup", "cgroup2", "bpf", "debugfs", "tracefs", "securityfs", "configfs", "fuse"),
    *(
        "devpts",
        "devtmpfs",
        "mqueue",
        "ramfs",
        "hugetlbfs",
        "ext4",
        "btrfs",
        "xfs",
        "nfs",
        "9p",
        "binfmt_misc",
        "pstore",
        "efivarfs",
    ),
)
NEW_NAMESPACES = {
    "mnt": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "time": 0x80,
}
SIGCHLD = 17

REFUSED: list[tuple[str, tuple[object, ...]]] = [
    *(("mount", ("s:none", "s:/tmp", f"s:{name}", 0, 0)) for name in FILESYSTEMS),
    *(("fsopen", (f"s:{name}", 0)) for name in ("tmpfs", "overlay", "proc", "cgroup", "ext4", "nfs")),
    *(("unshare", (flag,)) for flag in NEW_NAMESPACES.values()),
    *(("clone", (flag | SIGCHLD, 0, 0, 0, 0)) for name, flag in NEW_NAMESPACES.items() if name != "time"),
    ("mount", ("s:/proc", "s:/tmp", 0, 0x1000, 0)),  # bind
    ("mount", (0, "s:/", 0, 0x1000 | 0x20, 0)),  # bind, remount: takes read-only and nodev away
    ("mount", (0, "s:/", 0, 0x100000, 0)),  # shared
    ("umount2", ("s:/proc/kcore", 2)),
    ("umount2", ("s:/etc/hosts", 2)),
    ("open_tree", (-100, "s:/", 1)),
    ("open_tree", (-100, "s:/proc", 1)),
    ("move_mount", (-100, "s:/proc", -100, "s:/tmp", 0)),
    ("fspick", (-100, "s:/", 0)),
    ("mount_setattr", (-100, "s:/", 0, "b:32", 32)),
    ("pivot_root", ("s:/tmp", "s:/tmp")),
    ("setns", (0, 0)),
    ("bpf", (0, "b:120", 120)),
    ("bpf", (5, "b:120", 120)),
    ("perf_event_open", ("b:128", 0, -1, -1, 0)),
    ("userfaultfd", (1,)),
    ("io_uring_setup", (4, "b:128")),
    ("io_uring_register", (0, 0, 0, 0)),
    ("kexec_load", (0, 0, 0, 0)),
    ("kexec_file_load", (0, 0, 0, 0, 0)),
    ("init_module", ("b:64", 64, "s:")),
    ("finit_module", (0, "s:", 0)),
    ("delete_module", ("s:bridge", 0)),
    ("swapon", ("s:/bin/busybox", 0)),
    ("swapoff", ("s:/bin/busybox",)),
    ("clock_settime", (0, "b:16")),
    ("settimeofday", ("b:16", 0)),
    ("clock_adjtime", (0, "x:02" + "00" * 207)),
    ("adjtimex", ("x:02" + "00" * 207,)),
    ("reboot", (0xFEE1DEAD, 672274793, 0x89ABCDEF)),
    ("quotactl", (0x800007 << 8, "s:/dev/vda", 0, "b:128")),
    ("acct", ("s:/tmp/account",)),
    ("acct", (0,)),
    ("open_by_handle_at", (-100, "x:08000000010000000200000000000000", 0)),
    ("add_key", ("s:user", "s:name", "b:4", 4, -3)),
    ("request_key", ("s:user", "s:name", 0, -3)),
    *(("keyctl", (operation, -3, 0, 0, 0)) for operation in (0, 1, 2, 6, 10, 11)),
    *(("personality", (value,)) for value in (0x40000, 0x100000, 0x400000, 0x4000000, 6, 0x00040008)),
    ("lookup_dcookie", (0, "b:64", 64)),
    ("iopl", (3,)),
    ("ioperm", (0x70, 2, 1)),
    ("vhangup", ()),
    ("syslog", (3, "b:64", 64)),
    ("syslog", (10, 0, 0)),
    ("sethostname", ("s:other", 5)),
    ("setdomainname", ("s:other", 5)),
    ("fanotify_init", (0, 0)),
    ("pidfd_getfd", (0, 0, 0)),
    ("process_madvise", (0, 0, 0, 0, 0)),
    ("kcmp", (1, 1, 0, 0, 0)),
    ("get_mempolicy", (0, 0, 0, 0, 0)),
    ("set_mempolicy", (0, 0, 0)),
    ("move_pages", (1, 0, 0, 0, 0, 0)),
    ("migrate_pages", (1, 0, 0, 0)),
    ("nfsservctl", (0, 0, 0)),
    ("uselib", ("s:/bin/busybox",)),
    ("ustat", (0, "b:64")),
    ("sysfs", (3,)),
    ("sched_setscheduler", (0, 1, "x:01000000")),
    ("ioprio_set", (1, 0, 1 << 13 | 4)),
    ("socket", (38, 5, 0)),  # AF_ALG
    ("socket", (40, 1, 0)),  # AF_VSOCK
    ("socket", (44, 3, 0)),  # AF_XDP
    ("socket", (16, 3, 99)),  # a netlink protocol that is not there
    ("mknod", ("s:/tmp/disk", 0o060666, 254 << 8)),
    ("mknod", ("s:/tmp/memory", 0o020666, 1 << 8 | 1)),
    ("mknod", ("s:/tmp/kmsg", 0o020666, 1 << 8 | 11)),
    ("capset", ("x:2205082000000000", "x:" + "ff" * 24)),
    ("prctl", (8, 1)),  # PR_SET_KEEPCAPS is allowed, so this shows that the table can tell
]
ALLOWED = {("prctl", (8, 1))}
FAILURES = ("EPERM", "ENOSYS", "EINVAL", "EPROTONOSUPPORT", "EACCES")


I386_SOCKET = 359  # the library names another for it, which stands for the one call for all of sockets


def number(name: str, *, gate: str = "") -> int:
    if gate and name == "socket":
        return I386_SOCKET
    found: int = pyseccomp.resolve_syscall(pyseccomp.Arch.X86 if gate else pyseccomp.Arch.X86_64, name)
    assert found >= 0, name
    return found


@pytest.mark.parametrize(("name", "arguments"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_system_call_is_refused(cell: Cell, name: str, arguments: tuple[object, ...]) -> None:
    answer = cell.call(number(name), *arguments)
    assert answer.startswith("ok") if (name, arguments) in ALLOWED else answer in FAILURES, answer


BY_THE_OLD_GATE: list[tuple[str, tuple[object, ...]]] = [
    ("mount", ("s:none", "s:/tmp", "s:tmpfs", 0, 0)),
    ("umount", ("s:/etc/hosts",)),
    ("umount2", ("s:/etc/hosts", 2)),
    ("unshare", (0x10000000,)),
    ("clone", (0x10000000 | SIGCHLD, 0, 0, 0, 0)),
    ("clone3", ("b:88", 88)),
    ("setns", (0, 0)),
    ("vm86", (1, 0)),
    ("vm86old", (0,)),
    ("iopl", (3,)),
    ("swapon", ("s:/bin/busybox", 0)),
    ("reboot", (0xFEE1DEAD, 672274793, 0x89ABCDEF)),
    ("settimeofday", ("b:8", 0)),
    ("stime", ("b:8",)),
    ("clock_settime", (0, "b:8")),
    ("clock_settime64", (0, "b:16")),
    ("init_module", ("b:64", 64, "s:")),
    ("kexec_load", (0, 0, 0, 0)),
    ("keyctl", (0, -3, 0, 0, 0)),
    ("add_key", ("s:user", "s:name", "b:4", 4, -3)),
    ("bpf", (0, "b:120", 120)),
    ("perf_event_open", ("b:128", 0, -1, -1, 0)),
    ("userfaultfd", (1,)),
    ("io_uring_setup", (4, "b:128")),
    ("open_by_handle_at", (-100, "x:08000000010000000200000000000000", 0)),
    ("personality", (0x40000,)),
    ("syslog", (3, "b:64", 64)),
    ("quotactl", (0x800007 << 8, "s:/dev/vda", 0, "b:128")),
    ("acct", ("s:/tmp/account",)),
    ("uselib", ("s:/bin/busybox",)),
    ("bdflush", (0, 0)),
    ("fsopen", ("s:tmpfs", 0)),
    ("socket", (38, 5, 0)),
    ("socket", (40, 1, 0)),
]


@pytest.mark.parametrize(("name", "arguments"), BY_THE_OLD_GATE, ids=lambda value: str(value)[:60])
def test_the_gate_of_32_bit_programs_leads_no_further(cell: Cell, name: str, arguments: tuple[object, ...]) -> None:
    assert cell.call(number(name, gate="-32"), *arguments, gate="-32") in FAILURES


@pytest.mark.parametrize("family", [38, 40, 2], ids=["AF_ALG", "AF_VSOCK", "AF_INET"])
def test_the_one_call_for_all_of_sockets_makes_none(cell: Cell, family: int) -> None:
    """socketcall(2) has its arguments behind a pointer, where no filter can look."""
    arguments = b"".join(value.to_bytes(4, "little") for value in (family, 1, 0)).hex()
    assert cell.call(number("socketcall", gate="-32"), 1, f"x:{arguments}", gate="-32") == "ENOSYS"


@pytest.mark.parametrize(("gate", "call"), [("", 54), ("-32", 366)])
def test_groups_of_packet_sockets_have_the_plain_size(cell: Cell, gate: str, call: int) -> None:
    """A size of its own is half a MiB of the kernel's for each group, that no cgroup counts. By the one call for all neither."""
    packet, fanout = 263, 18
    assert cell.call(call, 0, packet, fanout, "b:8", 8, gate=gate) == "EPERM"
    assert cell.call(call, 0, packet, fanout, "b:8", 4, gate=gate) == "ENOTSOCK"
    arguments = b"".join(value.to_bytes(4, "little") for value in (0, packet, fanout, 0, 8)).hex()
    assert cell.call(number("socketcall", gate="-32"), 14, f"x:{arguments}", gate="-32") == "ENOSYS"


def test_32_bit_programs_run_and_have_sockets(cell: Cell) -> None:
    assert cell.call(number("getpid", gate="-32"), gate="-32").startswith("ok")
    assert cell.call(number("socket", gate="-32"), 2, 1, 0, gate="-32").startswith("ok")


@pytest.mark.parametrize("name", ["getpid", "mount", "ptrace", "bpf", "unshare"])
def test_an_x32_call_ends_in_nothing(cell: Cell, name: str) -> None:
    assert not cell.call(0x40000000 | number(name), 0, 0, 0, 0, 0).startswith("ok")


@pytest.mark.parametrize("user", ["", "ada"])
def test_no_number_beyond_the_known_ones_is_served(cell: Cell, user: str) -> None:
    assert cell.call(600, user=user) == cell.call(1000, user=user) == "ENOSYS"


@pytest.mark.parametrize("option", [4, 23, 24, 38])
def test_harmless_calls_go_through(cell: Cell, option: int) -> None:
    """The table above would pass against a container in which nothing works."""
    arguments = {4: (1,), 23: (0,), 24: (0,), 38: (1, 0, 0, 0)}[option]
    assert cell.call(number("prctl"), option, *arguments).startswith("ok")


@pytest.mark.parametrize(
    ("capability", "name", "arguments"),
    [
        ("CAP_DAC_READ_SEARCH", "open_by_handle_at", (-100, "x:08000000010000000200000000000000", 0)),
        ("CAP_SYS_MODULE", "init_module", ("b:64", 64, "s:")),
        ("CAP_SYS_MODULE", "delete_module", ("s:bridge", 0)),
        ("CAP_SYS_BOOT", "reboot", (0xFEE1DEAD, 672274793, 0x89ABCDEF)),
        ("CAP_SYS_TIME", "clock_settime", (0, "b:16")),
        ("CAP_SYS_RAWIO", "iopl", (3,)),
        ("CAP_SYS_RAWIO", "ioperm", (0x70, 2, 1)),
        ("CAP_SYSLOG", "syslog", (3, "b:64", 64)),
        ("CAP_SYS_PACCT", "acct", ("s:/tmp/account",)),
        ("CAP_SYS_NICE", "sched_setscheduler", (0, 1, "x:01000000")),
        ("CAP_BPF", "bpf", (5, "b:120", 120)),
        ("CAP_PERFMON", "perf_event_open", ("b:128", 0, -1, -1, 0)),
        ("CAP_SYS_ADMIN", "swapon", ("s:/bin/busybox", 0)),
        ("CAP_SYS_ADMIN", "quotactl", (0x800007 << 8, "s:/dev/vda", 0, "b:128")),
        ("CAP_SYS_ADMIN", "mount", ("s:/dev/vda", "s:/tmp", "s:ext4", 0, 0)),
        ("CAP_SYS_ADMIN", "mount", ("s:none", "s:/tmp", "s:debugfs", 0, 0)),
        ("CAP_SYS_ADMIN", "mount", ("s:none", "s:/tmp", "s:tracefs", 0, 0)),
        ("CAP_SYS_ADMIN", "mount", ("s:none", "s:/tmp", "s:securityfs", 0, 0)),
        ("CAP_SYS_ADMIN", "mount", ("s:none", "s:/tmp", "s:devtmpfs", 0, 0)),
        ("CAP_SYS_ADMIN", "fanotify_init", (4, 0)),
        ("CAP_SYS_ADMIN", "kexec_load", (0, 0, 0, 0)),
    ],
)
def test_a_capability_that_an_administrator_adds_holds_inside_only(
    engine_cells: dict[str, Cell], capability: str, name: str, arguments: tuple[object, ...]
) -> None:
    answer = engine_cells[capability].call(number(name), *arguments)
    assert answer in (*FAILURES, "ESTALE", "ENODEV", "ENOTBLK", "ENOENT", "EBADF", "ENOTTY"), answer


@pytest.fixture(scope="module")
def engine_cells(cell: Cell) -> dict[str, Cell]:
    """A container of an administrator's for each capability."""

    class Cells(dict[str, Cell]):
        def __missing__(self, capability: str) -> Cell:
            self[capability] = Cell(cell.engine, tenant="", HostConfig={"CapAdd": [capability]})
            return self[capability]

    return Cells()
