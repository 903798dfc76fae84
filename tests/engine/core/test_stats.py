"""Readings of cgroups of both versions, from the kernel's own texts."""

import pytest

from engine.core.stats import BlockCount, HostCpu, Interface, parse_host_cpu, parse_interfaces, read_v1, read_v2

HOST = HostCpu(system_ns=10**12, online=4)
HOST_BYTES = 8 * 2**30

V2 = {
    "cpu.stat": "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 7\nnr_throttled 2\nthrottled_usec 90\n",
    "memory.current": "4096000\n",
    "memory.peak": "5000000\n",
    "memory.max": "8192000\n",
    "memory.stat": "anon 100\nfile 200\ninactive_file 50\n",
    "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n",
    "pids.current": "3\n",
    "pids.max": "100\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:1\n",
}
V1 = {
    "cpuacct.usage": "5000000\n",
    "cpuacct.usage_percpu": "1000000 4000000 \n",
    "cpuacct.stat": "user 3\nsystem 2\n",
    "cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 90000\n",
    "memory.usage_in_bytes": "4096000\n",
    "memory.max_usage_in_bytes": "5000000\n",
    "memory.limit_in_bytes": "8192000\n",
    "memory.stat": "cache 200\nrss 100\ntotal_inactive_file 50\n",
    "memory.failcnt": "4\n",
    "pids.current": "3\n",
    "pids.max": "max\n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\nTotal 30\n",
    "blkio.throttle.io_serviced_recursive": "8:0 Read 1\nTotal 1\n",
}


def test_version_2_is_read() -> None:
    found = read_v2(V2, time_ns=1, host=HOST, memory_bytes=HOST_BYTES, interfaces={})
    assert (found.cpu.total_ns, found.cpu.user_ns, found.cpu.kernel_ns) == (5_000_000, 3_000_000, 2_000_000)
    assert (found.cpu.periods, found.cpu.throttled_periods, found.cpu.throttled_ns) == (7, 2, 90_000)
    assert (found.cpu.system_ns, found.cpu.online, found.cpu.per_cpu_ns) == (10**12, 4, None)
    assert (found.memory.used_bytes, found.memory.peak_bytes, found.memory.limit_bytes) == (4_096_000, 5_000_000, 8_192_000)
    assert (found.memory.failures, found.memory.details["inactive_file"]) == (1, 50)
    assert (found.pids, found.pids_limit) == (3, 100)
    assert found.io_bytes == (BlockCount(8, 0, "read", 10), BlockCount(8, 0, "write", 20))
    assert found.io_operations == (BlockCount(8, 0, "read", 1), BlockCount(8, 0, "write", 2))


def test_version_1_is_read() -> None:
    found = read_v1(V1, time_ns=1, host=HOST, memory_bytes=HOST_BYTES, interfaces={}, ticks=100)
    assert (found.cpu.total_ns, found.cpu.user_ns, found.cpu.kernel_ns) == (5_000_000, 30_000_000, 20_000_000)
    assert (found.cpu.per_cpu_ns, found.cpu.throttled_ns) == ((1_000_000, 4_000_000), 90_000)
    assert (found.memory.used_bytes, found.memory.limit_bytes, found.memory.failures) == (4_096_000, 8_192_000, 4)
    assert found.memory.details["total_inactive_file"] == 50
    assert (found.pids, found.pids_limit) == (3, None)
    assert found.io_bytes == (BlockCount(8, 0, "read", 10), BlockCount(8, 0, "write", 20))
    assert found.io_operations == (BlockCount(8, 0, "read", 1),)


@pytest.mark.parametrize("limit", ["max\n", "9223372036854771712\n", "", f"{HOST_BYTES * 2}\n"])
def test_without_a_limit_the_hosts_memory_is_the_limit(limit: str) -> None:
    v2 = read_v2({"memory.max": limit}, time_ns=1, host=HOST, memory_bytes=HOST_BYTES, interfaces={})
    v1 = read_v1({"memory.limit_in_bytes": limit}, time_ns=1, host=HOST, memory_bytes=HOST_BYTES, interfaces={}, ticks=100)
    assert (v2.memory.limit_bytes, v1.memory.limit_bytes) == (HOST_BYTES, HOST_BYTES)


def test_files_that_the_host_lacks_count_as_nothing() -> None:
    v2 = read_v2({}, time_ns=1, host=HOST, memory_bytes=HOST_BYTES, interfaces={})
    v1 = read_v1({}, time_ns=1, host=HOST, memory_bytes=HOST_BYTES, interfaces={}, ticks=100)
    assert (v2.pids, v2.memory.used_bytes, v2.io_bytes, v1.pids, v1.cpu.per_cpu_ns) == (0, 0, (), 0, None)


def test_the_hosts_time_counts_what_dockerd_counts() -> None:
    stat = "cpu  1 2 3 4 5 6 7 1000 1000 1000\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1 1 1\nintr 5\ncpufreq 1\n"
    assert parse_host_cpu(stat, ticks=100) == HostCpu(system_ns=28 * 10**7, online=2)


def test_interfaces_are_read_but_for_the_loopback() -> None:
    head = "Inter-|   Receive\n face |bytes    packets errs drop fifo frame compressed multicast|bytes packets errs\n"
    text = f"{head}    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n"
    assert parse_interfaces(text) == {"eth0": Interface(10, 2, 3, 4, 50, 6, 7, 8)}
