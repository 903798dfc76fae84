"""What a tenant could stop or remove so that something else has room: names for whoever is refused, the most helpful first.

Owns the order. Only what is the tenant's very own is named, and nothing of a build that is going on.
"""

from collections.abc import Sequence
from heapq import nlargest

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE
from engine.core.quota_words import MOST_NAMES
from engine.core.tenants import Tenant
from engine.service.container_memory import memory_of, pids_of
from engine.service.engine import Engine

_MOST_LOOKED_AT = 32  # of those that run, newest first: whoever asks again and again is to hold nobody up
_ID_DIGITS = 19  # "sha256:" and twelve, as clients show ids


def dispensable(engine: Engine, tenant: Tenant, resource: str) -> Sequence[str]:
    """Return at most as many names as a refusal shows. From any thread."""
    match resource:
        case "memory" | "swap" | "pids" | "running" | "ports" | "cpus":
            return _running(engine, tenant, resource)
        case "containers":
            own = _containers(engine, tenant)
            return [one.name for one in sorted(own, key=lambda one: (one.run.state in ALIVE, one.created_ns))[:MOST_NAMES]]
        case "images" | "image_bytes":
            return _images(engine, tenant)
        case "volumes":
            return _volumes(engine, tenant)
        case "networks":
            return _networks(engine, tenant)
        case _:
            return ()


def _containers(engine: Engine, tenant: Tenant) -> list[ContainerRecord]:
    return [one for one in engine.containers.all() if one.tenant == tenant and not one.is_build_step]


def _running(engine: Engine, tenant: Tenant, resource: str) -> list[str]:
    own = [one for one in _containers(engine, tenant) if engine.process(one.container_id) is not None][:_MOST_LOOKED_AT]
    uses = {one.container_id: _use(engine, one, resource) for one in own}
    found = nlargest(MOST_NAMES, own, key=lambda one: uses[one.container_id])
    return [one.name for one in found if uses[one.container_id]]


def _use(engine: Engine, record: ContainerRecord, resource: str) -> int:
    match resource:
        case "memory" | "swap":
            return memory_of(engine, record)
        case "pids":
            return pids_of(engine, record)
        case "ports":
            return len(engine.network.published(record.container_id))
        case _:
            return 1


def _images(engine: Engine, tenant: Tenant) -> list[str]:
    """Those that nothing runs of first, by their sizes."""
    used = {one.image_id for one in engine.containers.all() if tenant.sees(one.tenant)}
    own = [(image, tags) for image, tags in engine.images.list(tenant) if image.owner == tenant]
    shown = nlargest(MOST_NAMES, own, key=lambda one: (one[0].id not in used, one[0].size))
    return [next(iter(tags), image.id[:_ID_DIGITS]) for image, tags in shown]


def _volumes(engine: Engine, tenant: Tenant) -> list[str]:
    own = [one for one in engine.volumes.visible(tenant) if one.tenant == tenant]
    return [one.name for one in sorted(own, key=lambda one: bool(engine.volumes.holders(one.volume_id)))[:MOST_NAMES]]


def _networks(engine: Engine, tenant: Tenant) -> list[str]:
    own = [one for one in engine.network.list_networks(tenant) if one.owner == tenant and not one.is_default]
    return [one.name for one in sorted(own, key=lambda one: engine.network.is_in_use(one.network_id))[:MOST_NAMES]]
