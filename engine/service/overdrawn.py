"""Containers whose sockets keep more of the kernel's memory than their limits leave are treated as the kernel treats all others.

Owns one look at those that run, and what follows: the process that holds most of it is killed, and where that does not help, as
others hold it too or nobody does, the containers of that network. Both are told as ``oom``. The rule is ``core/overdrafts.py``'s.
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from itertools import islice

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.namespace_modes import HOST
from engine.core.overdrafts import FEW_BYTES, Account, Keeper, choose_overdrawn
from engine.core.tenants import Tenant
from engine.linux.cgroup_sums import memory_held_v1, memory_held_v2, memory_of_sockets_v1, memory_of_sockets_v2
from engine.linux.packet_rings import Rings, read_rings
from engine.linux.pidfd import pidfd_open, send_signal
from engine.linux.processes import descriptors_of, pids_of_cgroup
from engine.linux.socket_memory import SocketMemory, read_socket_memory
from engine.service.container_memory import container_directory
from engine.service.engine import Engine
from engine.service.pause_container import unpause_if_paused
from engine.service.shared_networks import Member, SharedNetwork, find_networks
from engine.service.socket_watch import Looked
from engine.service.tenant_usage import tenant_directory

_log = logging.getLogger(__name__)
_MOST_LINKS = 100_000  # looked through for who holds a socket; beyond that nobody is found, and the container ends


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look tells of a network. ``sockets``: bytes by inode."""

    network: SharedNetwork
    keeper: Keeper
    sockets: dict[int, int]


async def look_at_sockets(engine: Engine) -> Looked:
    """Look once, and end what is past a limit."""
    running = _running(engine)
    if not any(_has_limit(engine, member.record) for member in running):
        return Looked(0.0, has_found=False)
    looks, accounts, cpu_seconds = await asyncio.to_thread(_read_all, engine, running)
    chosen = choose_overdrawn([look.keeper for look in looks], accounts)
    engine.sockets.forget_all_but([keeper.container_id for keeper in chosen])
    for look in looks:
        if look.keeper in chosen and not engine.sockets.is_ending(look.keeper.container_id):
            await _end(engine, look)
    return Looked(cpu_seconds, bool(chosen))


def _running(engine: Engine) -> list[Member]:
    """All, as those without a limit may share a network with others; the host's own network is nobody's to answer for."""
    pairs = [(record, engine.process(record.container_id)) for record in engine.containers.all()]
    return [
        Member(record, process, container_directory(engine, record, "memory"))
        for record, process in pairs
        if process is not None and process.is_running and record.host.network_mode != HOST
    ]


def _has_limit(engine: Engine, record: ContainerRecord) -> bool:
    limits = [record.host.limits.memory_bytes, *(engine.tenants.limits(scope).memory for scope in record.tenant.scopes)]
    return any(limit is not None for limit in limits)


def _read_all(engine: Engine, running: list[Member]) -> tuple[list[_Found], dict[Tenant, Account], float]:
    """Return what is kept by those that keep anything, what their tenants have, and the time it took. Blocking."""
    began = time.thread_time()
    found, elsewhere = [], 0.0
    for network in find_networks(running):
        if any(_has_limit(engine, member.record) for member in network.members):
            with contextlib.suppress(OSError):  # it is just ending
                look, cpu_seconds = _read(engine, network)
                elsewhere += cpu_seconds
                found += [look] if look else []
    is_much = sum(look.keeper.kept_bytes for look in found) > FEW_BYTES
    accounts = _accounts(engine, {scope for look in found for scope in look.keeper.tenant.scopes}) if is_much else {}
    return found, accounts, time.thread_time() - began + elsewhere


def _read(engine: Engine, network: SharedNetwork) -> tuple[_Found | None, float]:
    """Return what is kept there, and the time that other threads took. Raises OSError when all of it has just ended."""
    is_v2 = engine.host.cgroups.version == 2
    memory, rings = _look_inside(network.namespace, network.members[0].process.pid)
    directories = [member.directory for member in network.members]
    sockets = dict(memory.apart)
    for inode, size in rings.sizes.items():
        sockets[inode] = sockets.get(inode, 0) + size
    kept = sum(sockets.values())
    if (datagrams := sum(memory.datagrams.values())) > FEW_BYTES:
        counted = sum((memory_of_sockets_v2 if is_v2 else memory_of_sockets_v1)(path) for path in directories)
        kept += max(0, datagrams - counted)
        sockets |= memory.datagrams
    if not kept:
        return None, rings.cpu_seconds
    limits = [member.record.host.limits.memory_bytes for member in network.members]
    limit = None if None in limits else sum(one for one in limits if one is not None)
    used = _held(engine, directories) if kept > FEW_BYTES and limit is not None else 0
    keeper = Keeper(network.owner.container_id, network.owner.tenant, kept, used, limit)
    return _Found(network, keeper, sockets), rings.cpu_seconds


def _look_inside(namespace: int, pid: int) -> tuple[SocketMemory, Rings]:
    """Raises OSError where the process has ended, whose number may be another's by now."""
    memory = read_socket_memory(pid)
    netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(netns).st_ino != namespace:
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended")
        return memory, read_rings(netns) if memory.has_packet else Rings({}, 0.0)
    finally:
        os.close(netns)


def _held(engine: Engine, directories: Collection[str]) -> int:
    return sum((memory_held_v2 if engine.host.cgroups.version == 2 else memory_held_v1)(path) for path in directories)


def _accounts(engine: Engine, tenants: Collection[Tenant]) -> dict[Tenant, Account]:
    """Of those that have a limit. Where it was lowered below what is used, which ends nothing, sockets may keep as much alone."""
    limits = {tenant: engine.tenants.limits(tenant).memory for tenant in tenants}
    return {
        tenant: Account(
            0 if tenant in engine.quotas.loose else _held(engine, [tenant_directory(engine, tenant, "memory")]), limit
        )
        for tenant, limit in limits.items()
        if limit is not None
    }


async def _end(engine: Engine, look: _Found) -> None:
    """Kill the process that holds most; who is still past the limit when that has ended is ended whole."""
    container_id = look.keeper.container_id
    holder = None if container_id in engine.sockets.victims else await asyncio.to_thread(_find_holder, look)
    _log.warning(
        "sockets of container %s keep %d MiB that no cgroup counts, past its limit of memory or its tenant's: %s",
        short_id(container_id),
        look.keeper.kept_bytes >> 20,
        "its processes are killed" if holder is None else "the process that holds most is killed",
    )
    if holder is None:
        _end_all(engine, look)
        return
    member, pidfd = holder
    engine.sockets.note_victim(container_id, pidfd)
    with contextlib.suppress(ProcessLookupError):
        send_signal(pidfd, signal.SIGKILL)
    _tell(engine, look.network.members[member])


def _end_all(engine: Engine, look: _Found) -> None:
    for member in look.network.members:
        if member.process.exit is None and member.process.pidfd >= 0:  # else it has ended since the look
            engine.sockets.note_victim(look.keeper.container_id, os.dup(member.process.pidfd))
            with contextlib.suppress(ProcessLookupError):
                member.process.kill(signal.SIGKILL)
            _tell(engine, member)


def _tell(engine: Engine, member: Member) -> None:
    """Of the run that was looked at only: the next one of the container has done nothing."""
    container_id = member.record.container_id
    if member.process.exit is not None:
        return
    engine.sockets.killed.add(container_id)
    engine.publish(member.record, "oom")
    # The freezer of cgroup version 1 holds even SIGKILL up. The container's lock may be held for as long as its tenant likes.
    engine.sockets.begin(container_id, partial(unpause_if_paused, engine, container_id))


def _find_holder(look: _Found) -> tuple[int, int] | None:
    """Return the number of the member and a pidfd, the caller's to close; None when nobody is found. Blocking."""
    best, most, left = None, 0, _MOST_LINKS
    for number, one in enumerate(look.network.members):
        for pid in _pids(one.directory):
            inodes = list(islice(descriptors_of(pid), left))
            left -= len(inodes)
            if not left:
                return None
            if (held := sum(look.sockets.get(inode, 0) for inode in {*inodes})) > most:
                best, most = (number, pid), held
    if best is None:
        return None
    member, pid = best
    with contextlib.suppress(ProcessLookupError):
        pidfd = pidfd_open(pid)
        if pid in _pids(look.network.members[member].directory):  # else the number is another's by now
            return member, pidfd
        os.close(pidfd)
    return None


def _pids(directory: str) -> set[int]:
    try:
        return pids_of_cgroup(directory)
    except OSError:  # the container has ended
        return set()
