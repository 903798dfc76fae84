"""Images made from images: a base, perhaps one more layer, and an entry of its history; and which step made which. Pure."""

from dataclasses import replace

from engine.core.image_config import HistoryEntry, ImageConfig
from engine.core.layers import EMPTY_LAYER
from engine.core.tenants import Tenant
from engine.image.records import ImageRecord


def stepped(base: ImageConfig | None, config: ImageConfig, entry: HistoryEntry, *, diff_id: str, created: str) -> ImageConfig:
    """Return ``config`` as that of an image which has the base's layers and one more; one that changes nothing is left out.

    An entry without a time gets ``created``.
    """
    is_empty = diff_id in ("", EMPTY_LAYER)
    below, history = (base.diff_ids, base.history) if base else ((), ())
    told = replace(entry, created=entry.created or created, empty_layer=is_empty)
    return replace(
        config,
        created=told.created,
        author=entry.author or config.author,
        diff_ids=below if is_empty else (*below, diff_id),
        history=(*history, told),
    )


_Key = tuple[Tenant, str, str]  # owner, parent, step


class StepIndex:
    """Which images a step has made of a parent. What is read is replaced whole, so that reading is safe from any thread."""

    def __init__(self) -> None:
        self._made: dict[_Key, frozenset[str]] = {}

    def find(self, tenant: Tenant, *, parent: str, step: str) -> frozenset[str]:
        """Return the ids of the tenant's own images that it made of a parent by a step."""
        return self._made.get((tenant, parent, step), frozenset())

    def change(self, was: ImageRecord | None, now: ImageRecord | None) -> None:
        """Take note of a record that is new, another or gone."""
        before, after = _keys(was), _keys(now)
        for key, image_id in before.items():
            if key not in after:
                self._put(key, self._made[key] - {image_id})
        for key, image_id in after.items():
            if key not in before:
                self._put(key, self._made.get(key, frozenset()) | {image_id})

    def _put(self, key: _Key, image_ids: frozenset[str]) -> None:
        if image_ids:
            self._made[key] = image_ids
        else:
            del self._made[key]


def _keys(record: ImageRecord | None) -> dict[_Key, str]:
    holdings = record.holdings if record else ()
    return {(one.owner, one.parent, one.step): record.image_id for one in holdings if record and one.step}
