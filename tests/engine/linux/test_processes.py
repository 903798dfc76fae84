"""Process descriptors, descriptors of files, and the thin system call layer."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from engine.linux import pidfd
from engine.linux.files import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    close_all_but,
    openat2,
)
from engine.linux.libc import OPEN_TREE, syscall
from engine.linux.route_socket import loopback_up


def sleeper() -> int:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid


def test_a_process_is_known_by_its_descriptor_from_start_to_end() -> None:
    pid = sleeper()
    first, second, own = pidfd.pidfd_open(pid), pidfd.pidfd_open(pid), pidfd.pidfd_open(os.getpid())
    assert pidfd.inode(first) == pidfd.inode(second)
    assert (pidfd.is_alive(first), pidfd.pid_of(first), pidfd.exit_wait_status(first)) == (True, pid, None)
    pidfd.send_signal(first, signal.SIGTERM)
    os.waitid(os.P_PIDFD, first, os.WEXITED | os.WNOWAIT)
    assert not pidfd.is_alive(first)
    os.waitpid(pid, 0)
    assert pidfd.pid_of(first) == -1
    assert pidfd.exit_wait_status(first) in (signal.SIGTERM, None), "None on kernels before 6.15"
    with pytest.raises(ProcessLookupError):
        pidfd.send_signal(first, signal.SIGTERM)
    for fd in (first, second, own):
        os.close(fd)


@pytest.mark.parametrize(
    ("path", "resolve", "number"),
    [
        ("link", RESOLVE_NO_SYMLINKS, errno.ELOOP),
        ("../outside", RESOLVE_BENEATH, errno.EXDEV),
        ("absolute", RESOLVE_IN_ROOT, errno.ENOENT),
        ("magic", RESOLVE_NO_MAGICLINKS, errno.ELOOP),
    ],
)
def test_openat2_resolves_no_further_than_asked(tmp_path: Path, path: str, resolve: int, number: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "absolute").symlink_to(tmp_path / "file")
    (tmp_path / "magic").symlink_to("/proc/self/exe")
    folder = os.open(tmp_path, os.O_PATH)
    with pytest.raises(OSError) as caught:
        openat2(folder, path, os.O_PATH, resolve=resolve)
    assert caught.value.errno == number
    os.close(folder)


def test_all_descriptors_but_some_are_closed() -> None:
    pid = os.fork()
    if pid == 0:
        kept = os.open("/dev/null", os.O_RDONLY)
        for _ in range(5):
            os.open("/dev/null", os.O_RDONLY)
        close_all_but([0, kept])
        listing = os.open("/proc/self/fd", os.O_RDONLY)
        os._exit(0 if set(map(int, os.listdir(listing))) <= {0, kept, listing, listing + 1} else 1)  # noqa: PTH208 - by descriptor
    assert os.waitpid(pid, 0)[1] == 0


def test_a_refused_call_names_its_subject() -> None:
    with pytest.raises(FileNotFoundError, match="here"):
        syscall(OPEN_TREE, -100, b"/no/such/file", 0, subject="here")


def test_the_loopback_message_is_a_whole_netlink_message() -> None:
    message = loopback_up()
    assert int.from_bytes(message[:4], "little") == len(message) == 32
