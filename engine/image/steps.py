"""Images made from images: a base, perhaps one more layer, and an entry of its history. Pure, but for the look-up of a step."""

from collections.abc import Iterable
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


def newest_step(records: Iterable[ImageRecord], tenant: Tenant, *, parent: str, step: str) -> ImageRecord | None:
    """Return the tenant's own image that it made of a parent by a step."""
    made = [record for record in records if _is_made(record, tenant, parent, step)]
    return max(made, key=lambda record: (record.created_ns, record.image_id), default=None)


def _is_made(record: ImageRecord, tenant: Tenant, parent: str, step: str) -> bool:
    own = record.holding_of(tenant)
    return own is not None and bool(own.step) and (own.parent, own.step) == (parent, step)
