"""Connect and disconnect: a container comes to one further network, or leaves one, whether it runs or not.

A running one gets or loses an interface at once; the record says where it is to be, and the next start follows it.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import State
from engine.core.namespace_modes import HOST, has_own_network
from engine.core.networks import BRIDGE, NONE, NetworkJoin
from engine.core.tenants import Tenant
from engine.errors import Conflict, EngineError, Fault, Forbidden, InvalidParameter, NotFound, reason_of
from engine.network.model import Endpoint, Network
from engine.runtime.process import Process
from engine.service.builtin_networks import Builtin, find_builtin
from engine.service.container_networks import check_join, guest_of, joins_of, publish_endpoints
from engine.service.container_ports import publish_ports
from engine.service.engine import Engine
from engine.service.hosts_entries import add_hosts_entry, remove_hosts_entry
from engine.service.network_files import turn_to_names
from engine.service.network_modes import SHARED
from engine.service.networks import find_network, publish_network

T = TypeVar("T")
_NONE_ALONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"
_NOT_THE_HOSTS = "container cannot be disconnected from host network or connected to host network"


async def connect_network(engine: Engine, tenant: Tenant, name: str, *, container: str, join: NetworkJoin) -> None:
    """Put a container on a network. Raises NotFound, InvalidParameter, Forbidden, Conflict, Unavailable, Fault.

    QuotaExceeded where the records of the container's tenant become too large.
    """
    container_id = engine.containers.find(tenant, container).container_id
    _check_not_builtin(engine, tenant, name)
    network = _find(engine, tenant, name, may_be_gone=False)
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        wanted = replace(join, network=BRIDGE if network is None else network.name)
        _check(record, network, wanted)
        connected = replace(record, networks=(*joins_of(record), wanted))
        engine.containers.check_size(connected)
        process = _process(engine, record)
        if process is None:
            await _save(engine, connected)
        else:
            await _connect(engine, connected, wanted, process)


async def disconnect_network(engine: Engine, tenant: Tenant, name: str, *, container: str, force: bool) -> None:
    """Take a container off a network; with ``force`` also off one that is gone. Raises NotFound, Forbidden, Fault."""
    container_id = engine.containers.find(tenant, container).container_id
    async with engine.containers.lock(container_id):
        record = engine.containers.current(container_id)
        if (builtin := find_builtin(engine, tenant, name)) is not None and builtin.name != BRIDGE:
            await _leave_builtin(engine, record, builtin)
            return
        network = _find(engine, tenant, name, may_be_gone=force)
        network_name = name if network is None else network.name
        left = tuple(join for join in joins_of(record) if join.network != network_name)
        if len(left) == len(joins_of(record)) or (network is not None and network.owner != record.tenant):
            raise Forbidden(f"container {record.name} is not connected to the network {name}")
        await _save(engine, replace(record, networks=left))  # first: what is still there without it, the next daemon takes away
        if network is not None:
            await _leave(engine, record, network)
            publish_network(engine, network, "disconnect", container=container_id)


def _check_not_builtin(engine: Engine, tenant: Tenant, name: str) -> None:
    """Raises InvalidParameter, in dockerd's words."""
    builtin = find_builtin(engine, tenant, name)
    if builtin is not None and builtin.name == HOST:
        raise InvalidParameter(_NOT_THE_HOSTS)
    if builtin is not None and builtin.name == NONE:
        raise InvalidParameter(_NONE_ALONE)


async def _leave_builtin(engine: Engine, record: ContainerRecord, builtin: Builtin) -> None:
    """A container that was made without networks may come to some when it has been taken off ``none``."""
    if builtin.name != record.host.network_mode or builtin.owner != record.tenant or record.networks is not None:
        raise Forbidden(f"container {record.name} is not connected to the network {builtin.name}")
    if builtin.name == HOST:
        raise InvalidParameter(_NOT_THE_HOSTS)
    await _save(engine, replace(record, networks=()))
    told = {"name": builtin.name, "type": builtin.driver, "container": record.container_id}
    engine.events.publish("network", "disconnect", builtin.network_id, told, tenant=builtin.owner)


def _find(engine: Engine, tenant: Tenant, name: str, *, may_be_gone: bool) -> Network | None:
    """Return the network, None for the default one that is made when first needed."""
    try:
        return find_network(engine, tenant, name)
    except NotFound:
        if name == BRIDGE or may_be_gone:
            return None
        raise


def _check(record: ContainerRecord, network: Network | None, join: NetworkJoin) -> None:
    if network is not None and network.owner != record.tenant:
        raise Forbidden(
            f"network {network.name} belongs to {network.owner.name or 'administrators'}: only containers of theirs can be on it"
        )
    if not has_own_network(record.host.network_mode):
        raise Forbidden(SHARED)
    if record.config.network_disabled or (record.host.network_mode == NONE and record.networks is None):
        raise InvalidParameter(_NONE_ALONE)
    if record.run.state in (State.REMOVING, State.DEAD):
        raise Conflict(f"container {record.name} is being removed: it can be on no network")
    if any(one.network == join.network for one in joins_of(record)):
        raise Forbidden(f"endpoint with name {record.name} already exists in network {join.network}")
    check_join(network, join)


def _process(engine: Engine, record: ContainerRecord) -> Process | None:
    return engine.process(record.container_id) if record.run.state in (State.RUNNING, State.PAUSED) else None


async def _connect(engine: Engine, connected: ContainerRecord, join: NetworkJoin, process: Process) -> None:
    guest = guest_of(connected, (join,))
    endpoint = await _inside(process, lambda netns: engine.network.join(guest, netns))
    is_first_way_out = not engine.network.published(connected.container_id)  # on internal networks alone nothing is published
    try:
        if is_first_way_out:
            await publish_ports(engine, connected)
        await _save(engine, connected)
    except EngineError:
        if is_first_way_out:
            await engine.network.publish(connected.container_id, ())
        await _inside(process, lambda netns: engine.network.leave(connected.container_id, endpoint.network_id, netns))
        raise
    path = engine.containers.path(connected.container_id)
    await asyncio.to_thread(add_hosts_entry, path, _hosts_line(connected, endpoint))
    if endpoint.name != BRIDGE:
        await asyncio.to_thread(turn_to_names, path, connected)
    publish_endpoints(engine, connected, [endpoint], "connect")


async def _leave(engine: Engine, record: ContainerRecord, network: Network) -> None:
    process = _process(engine, record)
    endpoints = [one for one in engine.network.endpoints_of(record.container_id) if one.network_id == network.network_id]
    if process is None or not endpoints:
        return
    await _inside(process, lambda netns: engine.network.leave(record.container_id, network.network_id, netns))
    path = engine.containers.path(record.container_id)
    await asyncio.to_thread(remove_hosts_entry, path, endpoints[0].address)


async def _inside(process: Process, work: Callable[[int], Awaitable[T]]) -> T:
    """Raises Conflict for a container that has just ended."""
    try:
        netns = process.open_netns()
    except (ProcessLookupError, FileNotFoundError):
        raise Conflict(f"container {process.container_id[:12]} is not running") from None
    try:
        return await work(netns)
    finally:
        os.close(netns)


async def _save(engine: Engine, record: ContainerRecord) -> None:
    try:
        await engine.containers.save(record)
    except OSError as error:
        raise Fault(f"cannot record the networks of container {record.name}: {reason_of(error)}") from error


def _hosts_line(record: ContainerRecord, endpoint: Endpoint) -> str:
    return f"{endpoint.address}\t{record.config.hostname}"
