"""What tells one process from another."""

import os
import subprocess
import time

import pytest

from engine.linux.pidfd import inode, start_ticks
from engine.runtime.supervised import identify

TICKS = os.sysconf("SC_CLK_TCK")


def test_the_start_of_a_process_is_told_in_ticks_since_the_boot() -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with subprocess.Popen(["sleep", "1000"]) as process:
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        try:
            assert before * TICKS // 10**9 <= start_ticks(process.pid) <= after * TICKS // 10**9 + 1
        finally:
            process.kill()


def test_a_process_that_has_gone_has_no_start() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(ProcessLookupError):
        start_ticks(process.pid)


def test_a_process_has_one_identity_and_another_has_another() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        own, other = os.pidfd_open(os.getpid()), os.pidfd_open(process.pid)
        again = os.dup(own)
        try:
            assert identify(os.getpid(), own) == identify(os.getpid(), again)
            assert inode(own) == inode(again)
            assert identify(process.pid, other).split(":")[2] != identify(os.getpid(), own).split(":")[2]
        finally:
            process.kill()
            for fd in (own, other, again):
                os.close(fd)


def test_no_process_is_told_by_a_number_that_all_have() -> None:
    """Before Linux 6.9 all pidfds share one inode."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        own, other = os.pidfd_open(os.getpid()), os.pidfd_open(process.pid)
        try:
            assert inode(own) != inode(other) or inode(own) == 0
        finally:
            process.kill()
            os.close(own)
            os.close(other)
