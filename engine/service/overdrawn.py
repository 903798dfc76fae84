"""Containers whose sockets keep more of the kernel's memory than their limits leave are treated as the kernel treats all others.

Owns one look at those that run, and what follows: the process that holds most of it is killed, and where that does not help, as
others hold it too or nobody does, the containers of that network. Both are told as ``oom``. The rule is ``core/overdrafts.py``'s.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.limits import cgroup_path
from engine.core.namespace_modes import HOST
from engine.core.overdrafts import FEW_BYTES, Account, Keeper, choose_overdrawn
from engine.core.tenants import Tenant
from engine.errors import NotFound
from engine.linux.cgroup_sums import memory_held_v1, memory_held_v2, memory_of_sockets_v1, memory_of_sockets_v2
from engine.linux.packet_rings import read_rings
from engine.linux.pidfd import pidfd_open, send_signal
from engine.linux.processes import descriptors_of, pids_of_cgroup
from engine.linux.socket_memory import read_socket_memory
from engine.runtime.process import Process
from engine.service.engine import Engine
from engine.service.network_modes import network_owner
from engine.service.pause_container import unpause_if_paused
from engine.service.socket_watch import Looked
from engine.service.tenant_usage import tenant_directory

_log = logging.getLogger(__name__)
_MOST_LINKS = 100_000  # looked through for who holds a socket; beyond that nobody is found, and the container ends


@dataclass(frozen=True, slots=True)
class _Network:
    """Running containers that share one network, and their cgroups that count memory."""

    owner: ContainerRecord
    members: tuple[tuple[ContainerRecord, Process], ...]
    directories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look tells of a network. ``sockets``: bytes by inode."""

    network: _Network
    keeper: Keeper
    sockets: dict[int, int]


async def look_at_sockets(engine: Engine) -> Looked:
    """Look once, and end what is past a limit."""
    networks = _limited(engine)
    if not networks:
        return Looked(0.0, has_found=False)
    looks, accounts, cpu_seconds = await asyncio.to_thread(_read_all, engine, networks)
    chosen = choose_overdrawn([look.keeper for look in looks], accounts)
    engine.sockets.forget_all_but([keeper.container_id for keeper in chosen])
    for look in looks:
        if look.keeper in chosen and not engine.sockets.is_ending(look.keeper.container_id):
            await _end(engine, look)
    return Looked(cpu_seconds, bool(chosen))


def _limited(engine: Engine) -> list[_Network]:
    """Those of which some limit is known."""
    members: dict[str, list[tuple[ContainerRecord, Process]]] = {}
    for record in engine.containers.all():
        process = engine.process(record.container_id)
        if process is not None and process.is_running and record.host.network_mode != HOST and _has_limit(engine, record):
            with contextlib.suppress(NotFound):
                members.setdefault(network_owner(engine, record).container_id, []).append((record, process))
    return [_network(engine, owner_id, found) for owner_id, found in members.items()]


def _network(engine: Engine, owner_id: str, members: list[tuple[ContainerRecord, Process]]) -> _Network:
    directories = tuple(_directory(engine, record) for record, _ in members)
    return _Network(engine.containers.get(owner_id) or members[0][0], tuple(members), directories)


def _has_limit(engine: Engine, record: ContainerRecord) -> bool:
    limits = [record.host.limits.memory_bytes, *(engine.tenants.limits(scope).memory for scope in record.tenant.scopes)]
    return any(limit is not None for limit in limits)


def _directory(engine: Engine, record: ContainerRecord) -> str:
    layout = engine.host.cgroups
    root = layout.unified if layout.version == 2 else layout.mounts.get("memory", "")
    return "/".join([root, *cgroup_path(engine.instance, record.tenant, record.container_id)])


def _read_all(engine: Engine, networks: list[_Network]) -> tuple[list[_Found], dict[Tenant, Account], float]:
    """Return what is kept by those that keep anything, what their tenants have, and the time it took. Blocking."""
    began = time.thread_time()
    found = []
    for network in networks:
        with contextlib.suppress(OSError):  # it is just ending
            if look := _read(engine, network):
                found.append(look)
    is_much = sum(look.keeper.kept_bytes for look in found) > FEW_BYTES
    accounts = _accounts(engine, {scope for look in found for scope in look.keeper.tenant.scopes}) if is_much else {}
    return found, accounts, time.thread_time() - began


def _read(engine: Engine, network: _Network) -> _Found | None:
    is_v2 = engine.host.cgroups.version == 2
    process = network.members[0][1]
    memory = read_socket_memory(process.pid)
    sockets = dict(memory.apart)
    if memory.has_packet:
        for inode, size in _rings(process).items():
            sockets[inode] = sockets.get(inode, 0) + size
    kept = sum(sockets.values())
    if (datagrams := sum(memory.datagrams.values())) > FEW_BYTES:
        counted = sum((memory_of_sockets_v2 if is_v2 else memory_of_sockets_v1)(path) for path in network.directories)
        kept += max(0, datagrams - counted)
        sockets |= memory.datagrams
    if not kept:
        return None
    limits = [record.host.limits.memory_bytes for record, _ in network.members]
    limit = None if None in limits else sum(one for one in limits if one is not None)
    used = _held(engine, network.directories) if kept > FEW_BYTES and limit is not None else 0
    return _Found(network, Keeper(network.owner.container_id, network.owner.tenant, kept, used, limit), sockets)


def _rings(process: Process) -> dict[int, int]:
    netns = process.open_netns()
    try:
        return read_rings(netns) or {}
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
        engine.sockets.note_victim(container_id, os.dup(look.network.members[0][1].pidfd))
        for record, process in look.network.members:
            with contextlib.suppress(ProcessLookupError):
                process.kill(signal.SIGKILL)
            await _tell(engine, record)
        return
    member, pidfd = holder
    engine.sockets.note_victim(container_id, pidfd)
    with contextlib.suppress(ProcessLookupError):
        send_signal(pidfd, signal.SIGKILL)
    await _tell(engine, look.network.members[member][0])


async def _tell(engine: Engine, record: ContainerRecord) -> None:
    engine.sockets.killed.add(record.container_id)
    engine.publish(record, "oom")
    await unpause_if_paused(engine, record.container_id)  # the freezer of cgroup version 1 holds even SIGKILL up


def _find_holder(look: _Found) -> tuple[int, int] | None:
    """Return the number of the member and a pidfd, the caller's to close; None when nobody is found. Blocking."""
    best, most, left = None, 0, _MOST_LINKS
    for number, directory in enumerate(look.network.directories):
        for pid in _pids(directory):
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
        if pid in _pids(look.network.directories[member]):  # else the number is another's by now
            return member, pidfd
        os.close(pidfd)
    return None


def _pids(directory: str) -> set[int]:
    try:
        return pids_of_cgroup(directory)
    except OSError:  # the container has ended
        return set()
