"""Route ``GET /containers/{id}/stats``, and stats as Docker's JSON."""

from contextlib import aclosing
from typing import Any

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_bool
from engine.api.responses import dumps, json_response
from engine.core.stats import BlockCount, Cpu, Interface, Memory, Reading
from engine.core.timeformat import ZERO_TIME, format_time
from engine.errors import InvalidParameter
from engine.service.container_stats import read_stats, watch_stats
from engine.service.watches import Sample

_NO_LIMIT = 2**64 - 1  # of processes, as dockerd
_IO_FIELDS = ("io_queue", "io_service_time", "io_wait_time", "io_merged", "io_time", "sectors")


async def stats(request: web.Request) -> web.StreamResponse:
    is_stream, is_single = query_bool(request, "stream", default=True), query_bool(request, "one-shot")
    if is_stream and is_single:
        raise InvalidParameter("cannot have stream=true and one-shot=true: choose one of them")
    engine, tenant, name = engine_of(request), tenant_of(request), name_of(request)
    if not is_stream:
        return json_response(stats_json(await read_stats(engine, tenant, name, is_single=is_single)))
    samples = watch_stats(engine, tenant, name)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b"")
    async with aclosing(samples):
        async for sample in samples:
            await response.write(dumps(stats_json(sample)) + b"\n")
    await response.write_eof()
    return response


def stats_json(sample: Sample) -> dict[str, Any]:
    """Return a sample in Docker's form; of a container that does not run, zeros."""
    now, before = sample.now, sample.before
    return {
        "read": format_time(now.time_ns) if now else ZERO_TIME,
        "preread": format_time(before.time_ns) if before else ZERO_TIME,
        "pids_stats": _pids(now) if now else {},
        "blkio_stats": _blkio(now),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(now.cpu) if now else _cpu(Cpu()),
        "precpu_stats": _cpu(before.cpu) if before else _cpu(Cpu()),
        "memory_stats": _memory(now.memory) if now else {},
        "name": f"/{sample.record.name}",
        "id": sample.record.container_id,
        **({"networks": {name: _interface(one) for name, one in now.interfaces.items()}} if now and now.interfaces else {}),
    }


def _pids(reading: Reading) -> dict[str, int]:
    return {"current": reading.pids, "limit": _NO_LIMIT if reading.pids_limit is None else reading.pids_limit}


def _cpu(cpu: Cpu) -> dict[str, Any]:
    per_cpu = {} if cpu.per_cpu_ns is None else {"percpu_usage": list(cpu.per_cpu_ns)}
    host = {"system_cpu_usage": cpu.system_ns, "online_cpus": cpu.online} if cpu.online else {}
    return {
        "cpu_usage": {
            "total_usage": cpu.total_ns,
            **per_cpu,
            "usage_in_kernelmode": cpu.kernel_ns,
            "usage_in_usermode": cpu.user_ns,
        },
        **host,
        "throttling_data": {
            "periods": cpu.periods,
            "throttled_periods": cpu.throttled_periods,
            "throttled_time": cpu.throttled_ns,
        },
    }


def _memory(memory: Memory) -> dict[str, Any]:
    return {
        "usage": memory.used_bytes,
        **({} if memory.peak_bytes is None else {"max_usage": memory.peak_bytes}),
        "stats": dict(memory.details),
        **({"failcnt": memory.failures} if memory.failures else {}),
        "limit": memory.limit_bytes,
    }


def _blkio(reading: Reading | None) -> dict[str, Any]:
    return {
        "io_service_bytes_recursive": None if reading is None else [_count(one) for one in reading.io_bytes],
        "io_serviced_recursive": None if reading is None else [_count(one) for one in reading.io_operations],
        **{f"{name}_recursive": None if reading is None else [] for name in _IO_FIELDS},
    }


def _count(one: BlockCount) -> dict[str, Any]:
    return {"major": one.major, "minor": one.minor, "op": one.operation, "value": one.value}


def _interface(one: Interface) -> dict[str, int]:
    return {
        "rx_bytes": one.rx_bytes,
        "rx_packets": one.rx_packets,
        "rx_errors": one.rx_errors,
        "rx_dropped": one.rx_dropped,
        "tx_bytes": one.tx_bytes,
        "tx_packets": one.tx_packets,
        "tx_errors": one.tx_errors,
        "tx_dropped": one.tx_dropped,
    }
