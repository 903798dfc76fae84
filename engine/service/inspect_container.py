"""Inspect and list: what is known of containers, gathered for showing. Changes nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.filters import Filters, matches_labels, matches_name, parse_bool, parse_ports
from engine.core.health import Health
from engine.core.lifecycle import ALIVE
from engine.core.ports import PublishedPort, host_port_text
from engine.core.tenants import Tenant
from engine.errors import EngineError, InvalidParameter
from engine.network.model import Endpoint
from engine.service.builtin_networks import network_ids
from engine.service.container_networks import is_on_network
from engine.service.container_sizes import container_bytes
from engine.service.engine import Engine
from engine.service.links import link_names, shown_links
from engine.storage.rootfs import size_rw

FILTERS = frozenset(
    {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network", "publish"}
    | {"since", "status", "volume"}
)
HEALTHS = frozenset({"none", "starting", "healthy", "unhealthy"})
STATUSES = frozenset({"created", "restarting", "running", "removing", "paused", "exited", "dead"})


@dataclass(frozen=True, slots=True)
class Inspection:
    """A record with what else is known; sizes only where they were asked for."""

    record: ContainerRecord
    path: Path
    endpoints: tuple[Endpoint, ...]
    published: tuple[PublishedPort, ...]
    exec_ids: tuple[str, ...]
    size_rw_bytes: int | None = None
    image_bytes: int = 0
    health: Health | None = None
    links: tuple[str, ...] = ()  # on the default bridge
    link_names: Sequence[str] = ()  # what others call it by theirs; in lists only
    network_ids: Mapping[str, str] = field(default_factory=dict)  # of the networks that it is to be on, by name


async def inspect_container(engine: Engine, tenant: Tenant, name: str, *, with_size: bool = False) -> Inspection:
    """Look at one container. Raises NotFound."""
    return await _look(engine, engine.containers.find(tenant, name), with_size=with_size)


async def list_containers(
    engine: Engine,
    tenant: Tenant,
    *,
    filters: Filters,
    is_all: bool,
    limit: int | None = None,
    with_size: bool = False,
    counts_all: bool = False,
) -> list[Inspection]:
    """List containers, newest first: running ones unless ``is_all``, a limit, or a filter by state says otherwise.

    With ``counts_all`` the size is what the disk would get back.
    """
    wants_all = is_all or bool(limit and limit > 0) or "status" in filters or "exited" in filters
    tests = [_test(engine, tenant, name, values) for name, values in filters.items()]
    records = [record for record in engine.containers.visible(tenant) if wants_all or record.run.state in ALIVE]
    chosen = [record for record in records if all(test(record) for test in tests)]
    chosen = chosen[:limit] if limit and limit > 0 else chosen
    called = link_names(engine.containers.visible(tenant))
    return [
        replace(
            await _look(engine, record, with_size=with_size, counts_all=counts_all),
            link_names=called.get(record.container_id, ()),
        )
        for record in chosen
    ]


async def _look(engine: Engine, record: ContainerRecord, *, with_size: bool, counts_all: bool = False) -> Inspection:
    path = engine.containers.path(record.container_id)
    running = tuple(one.exec_id for one in engine.execs.of_container(record.container_id) if one.run.is_running)
    endpoints = engine.network.endpoints_of(record.container_id)
    published = engine.network.published(record.container_id)
    if not with_size:
        health = engine.health.get(record.container_id)
        ids, links = network_ids(engine, record), shown_links(engine, record)
        return Inspection(record, path, endpoints, published, running, health=health, network_ids=ids, links=links)
    measured = container_bytes(engine, record) if counts_all else engine.slow.run(record.tenant, lambda: size_rw(path))
    return Inspection(
        record,
        path,
        endpoints,
        published,
        running,
        size_rw_bytes=await measured,
        image_bytes=await asyncio.to_thread(_image_bytes, engine, record),
        health=engine.health.get(record.container_id),
        network_ids=network_ids(engine, record),
        links=shown_links(engine, record),
    )


def _image_bytes(engine: Engine, record: ContainerRecord) -> int:
    try:
        return engine.images.by_id(record.image_id).size
    except EngineError:
        return 0


Test = Callable[[ContainerRecord], bool]


def _test(engine: Engine, tenant: Tenant, name: str, values: tuple[str, ...]) -> Test:
    match name:
        case "id":
            return lambda record: any(record.container_id.startswith(value) for value in values)
        case "name":
            called = link_names(engine.containers.visible(tenant))
            return lambda record: matches_name(values, _names(record, called))
        case "label":
            return lambda record: matches_labels(values, record.config.labels)
        case "ancestor":
            return _ancestor_test(engine, tenant, values)
        case "before" | "since":
            return _age_test(engine, tenant, values, is_before=name == "before")
        case _:
            return _state_test(engine, name, values)


def _names(record: ContainerRecord, called: Mapping[str, Sequence[str]]) -> list[str]:
    """Docker matches with and without the slash that its names begin with."""
    return [form for name in (record.name, *called.get(record.container_id, ())) for form in (name, f"/{name}")]


def _state_test(engine: Engine, name: str, values: tuple[str, ...]) -> Test:
    match name:
        case "status":
            _check_words(name, values, STATUSES)
            return lambda record: str(record.run.state) in values
        case "exited":
            codes = {_code(value) for value in values}
            return lambda record: record.run.state not in ALIVE and record.run.finished_ns > 0 and record.run.exit_code in codes
        case "health":
            _check_words(name, values, HEALTHS)
            return lambda record: _health_word(engine, record) in values
        case "is-task":
            is_wanted = parse_bool(values, name=name)
            return lambda _: not is_wanted
        case _:
            return _part_test(engine, name, values)


def _health_word(engine: Engine, record: ContainerRecord) -> str:
    health = engine.health.get(record.container_id)
    return "none" if health is None else str(health.status)


def _part_test(engine: Engine, name: str, values: tuple[str, ...]) -> Test:
    match name:
        case "network":
            return lambda record: is_on_network(engine, record, values)
        case "expose":
            ports = parse_ports(values, name=name)
            return lambda record: not ports.isdisjoint(record.config.exposed_ports)
        case "publish":
            places = parse_ports(values, name=name)
            return lambda record: not places.isdisjoint(map(host_port_text, engine.network.published(record.container_id)))
        case "volume":
            return lambda record: any(
                value in (point.name or point.source, point.target) for point in record.mount_points for value in values
            )
        case _:  # isolation: no container has one
            return lambda _: False


def _check_words(name: str, values: tuple[str, ...], words: frozenset[str]) -> None:
    for value in values:
        if value not in words:
            raise InvalidParameter(f"invalid {name} {value[:40]!r}: use one of {', '.join(sorted(words))}")


def _code(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidParameter(f"invalid exit code {value[:40]!r}: use a number") from None


def _age_test(engine: Engine, tenant: Tenant, values: tuple[str, ...], *, is_before: bool) -> Test:
    created_ns = engine.containers.find(tenant, values[0]).created_ns
    if is_before:
        return lambda record: record.created_ns < created_ns
    return lambda record: record.created_ns > created_ns


def _ancestor_test(engine: Engine, tenant: Tenant, values: tuple[str, ...]) -> Test:
    image_ids: set[str] = set()
    for value in values:
        try:
            image_ids.add(engine.images.get(tenant, value).id)
        except EngineError:
            continue  # an image that does not exist is nobody's ancestor
    image_ids = _with_descendants(engine, tenant, image_ids)
    return lambda record: record.image_id in image_ids or record.config.image in values


def _with_descendants(engine: Engine, tenant: Tenant, image_ids: set[str]) -> set[str]:
    """Return these images and all that were made of them."""
    parents = {image.id: image.parent for image, _ in engine.images.list(tenant)} if image_ids else {}
    found = image_ids
    while more := {image_id for image_id, parent in parents.items() if parent in found} - found:
        found = found | more
    return found
