"""Links of containers (``--link``): kept with the container, and told to it when it starts.

On networks of users a link is a name that the resolver knows for one container; on the default bridge it is a line of hosts and
variables of the environment. Only containers of the same tenant can be linked.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from engine.core.containers import ContainerRecord
from engine.core.launch import ExecSpec, LaunchSpec
from engine.core.lifecycle import State
from engine.core.links import Link, Linked, hosts_line, link_environment, parse_link, parse_links
from engine.core.merge import merge_env
from engine.core.namespace_modes import has_own_network
from engine.core.networks import BRIDGE, NONE
from engine.core.ports import exposed_ports
from engine.errors import Conflict, InvalidParameter, NotFound
from engine.service.engine import Engine
from engine.service.hosts_entries import renew_hosts_entry

_UP = (State.RUNNING, State.PAUSED)
_MOST_PORTS = 256  # of a linked container that are told of: each comes to several variables
Spec = TypeVar("Spec", LaunchSpec, ExecSpec)


def place_links(engine: Engine, record: ContainerRecord) -> ContainerRecord:
    """Return a container to be made, whose networks are known, with its links where they belong. Raises InvalidParameter."""
    links = parse_links(record.host.links)
    if not links:
        return record
    mode = record.host.network_mode
    if not has_own_network(mode) or mode == NONE:
        raise InvalidParameter(f"conflicting options: network mode {mode[:60]} cannot be used with links: leave one out")
    if mode == BRIDGE:
        kept = tuple(str(Link(_target(engine, record, link.target).container_id, link.alias)) for link in links)
        return replace(record, host=replace(record.host, links=kept))
    first, *others = record.networks or ()
    joined = replace(first, links=tuple(dict.fromkeys((*first.links, *map(str, links)))))
    return replace(record, host=replace(record.host, links=()), networks=(joined, *others))


def _target(engine: Engine, record: ContainerRecord, name: str) -> ContainerRecord:
    """400 as dockerd: clients take 404 at create for a missing image."""
    try:
        found = engine.containers.find(record.tenant, name)
    except NotFound:
        found = None
    if found is None or found.tenant != record.tenant:
        raise InvalidParameter(f"could not get container for {name[:80]}: no such container")
    return found


def shown_links(engine: Engine, record: ContainerRecord) -> tuple[str, ...]:
    """Return the links on the default bridge as inspect shows them, those to containers that are gone left out."""
    pairs = ((engine.containers.get(link.target), link) for link in _links(record))
    return tuple(f"/{target.name}:/{record.name}/{link.alias}" for target, link in pairs if target is not None)


def link_names(records: Iterable[ContainerRecord]) -> dict[str, list[str]]:
    """Return what containers are called by these ones' links on the default bridge, without the first slash, by their ids."""
    names: dict[str, list[str]] = {}
    for record in records:
        for link in _links(record):
            names.setdefault(link.target, []).append(f"{record.name}/{link.alias}")
    return names


def linked_lines(engine: Engine, record: ContainerRecord) -> list[str]:
    """Return the lines of hosts for what a container has linked. Raises Conflict for what does not run."""
    return [hosts_line(_linked(engine, record, link)) for link in _links(record)]


def with_links(engine: Engine, record: ContainerRecord, spec: Spec, *, needs_all: bool = True) -> Spec:
    """Tell a command of what its container has linked. With ``needs_all`` raises Conflict for what is away."""
    told: list[str] = []
    for link in _links(record):
        try:
            told += link_environment(_linked(engine, record, link))
        except Conflict:
            if needs_all:
                raise
    spec["process"]["env"] = merge_env(told, spec["process"]["env"]) if told else spec["process"]["env"]
    return spec


def _links(record: ContainerRecord) -> list[Link]:
    return [parse_link(text) for text in record.host.links]


def _linked(engine: Engine, record: ContainerRecord, link: Link) -> Linked:
    target = engine.containers.get(link.target)
    link_name = f"/{record.name}/{link.alias}"
    if target is None or target.tenant != record.tenant:
        raise Conflict(f"cannot link to a container that is gone: {link.target[:12]} AS {link_name}")
    if target.run.state not in _UP:
        raise Conflict(f"cannot link to a non running container: /{target.name} AS {link_name}")
    endpoints = engine.network.endpoints_of(target.container_id)
    address = next((endpoint.address for endpoint in endpoints if endpoint.name == BRIDGE), "")
    if not address:
        raise Conflict(f"cannot link to /{target.name} AS {link_name}: it is not attached to the default bridge network")
    return Linked(
        link_name=link_name,
        alias=link.alias,
        address=address,
        name=target.name,
        hostname=target.config.hostname,
        ports=tuple(exposed_ports(target.config.exposed_ports[:_MOST_PORTS])),
        env=target.config.env,
    )


async def renew_links(engine: Engine, started: ContainerRecord) -> None:
    """A container has started, perhaps at another address: let those that run and have linked it know."""
    for record in engine.containers.all():
        links = [link for link in _links(record) if link.target == started.container_id]
        for link in links if record.run.state in _UP else ():
            with suppress(Conflict):  # it has ended again
                line = hosts_line(_linked(engine, record, link))
                await asyncio.to_thread(renew_hosts_entry, engine.containers.path(record.container_id), link.alias, line)
