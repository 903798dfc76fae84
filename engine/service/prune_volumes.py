"""Prune: remove the volumes that no container has, or tell which would go.

Raises no error for one that is taken into use meanwhile: it stays.
"""

from dataclasses import dataclass
from functools import partial

from engine.core.filters import Filters, matches_labels, parse_bool
from engine.core.tenants import Tenant
from engine.core.volumes import VolumeRecord
from engine.errors import Conflict, NotFound
from engine.service.engine import Engine
from engine.service.room import wait_for_room
from engine.service.volumes import publish_volume

FILTERS = frozenset({"all", "label", "label!"})


@dataclass(frozen=True, slots=True)
class PrunedVolumes:
    """Names, and the bytes of their files."""

    names: list[str]
    bytes_freed: int


async def prune_volumes(
    engine: Engine, tenant: Tenant, *, filters: Filters, takes_named: bool, is_trial: bool = False
) -> PrunedVolumes:
    """Remove the tenant's own unused volumes: anonymous ones, named ones too where ``takes_named`` or the filter says so.

    Those of others that it may see stay, and those that take no disk: somebody wrote their options down. A trial changes and
    tells nothing.
    """
    takes_named = parse_bool(filters["all"], name="all") if "all" in filters else takes_named
    own = [one for one in engine.volumes.visible(tenant) if one.tenant == tenant and not one.meaning.backing]
    chosen = [one for one in own if (takes_named or one.is_anonymous) and _matches(one, filters)]
    pruned, freed = [], 0
    for volume in chosen:
        if engine.volumes.holders(volume.volume_id):
            continue
        try:
            freed += await engine.slow.run(tenant, partial(_size if is_trial else _remove, engine, volume))
        except (Conflict, NotFound):
            continue
        pruned.append(volume.name)
        if not is_trial:
            publish_volume(engine, volume, "destroy")
    if is_trial:
        return PrunedVolumes(pruned, freed)
    await wait_for_room(engine, tenant)
    engine.events.publish("volume", "prune", "", {"reclaimed": str(freed)}, tenant=tenant)
    return PrunedVolumes(pruned, freed)


def _matches(volume: VolumeRecord, filters: Filters) -> bool:
    unwanted = filters.get("label!", ())
    return matches_labels(filters.get("label", ()), volume.labels) and not any(
        matches_labels([entry], volume.labels) for entry in unwanted
    )


def _size(engine: Engine, volume: VolumeRecord) -> int:
    return engine.volumes.size_bytes(volume.volume_id)


def _remove(engine: Engine, volume: VolumeRecord) -> int:
    size = _size(engine, volume)
    engine.volumes.remove(volume.volume_id)
    return size
