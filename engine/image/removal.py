"""What removing an image by a name or by its id comes to, by Docker's rules. Pure: returns a plan, changes nothing.

A tenant removes only claims that it holds itself or looks after. While other tenants hold the image, nothing of theirs changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.digests import hex_of
from engine.core.references import parse_reference
from engine.core.tenants import Tenant
from engine.errors import Conflict, Forbidden
from engine.image.lookup import visible_holdings
from engine.image.records import Holding, ImageRecord, without_holding, without_tag

_SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class ImageUse:
    """A container made from the image."""

    container_id: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """The record as it is to be, the names that go, and whether the image is gone for the tenant that asked."""

    record: ImageRecord
    untagged: tuple[str, ...]
    is_deleted: bool


def plan_removal_by_tag(record: ImageRecord, tenant: Tenant, tag: str, *, force: bool, uses: Sequence[ImageUse]) -> Removal:
    """Take one name away; the last one takes the claim with it. Raises Conflict, Forbidden."""
    owner = next(holding.owner for holding in visible_holdings(record, tenant) if tag in holding.tags)
    _check_may_remove(tenant, owner, tag)
    untagged = without_tag(record, owner, tag)
    if any(holding.tags for holding in untagged.holdings if holding.owner == owner):
        return Removal(untagged, (tag,), is_deleted=False)
    if len(record.holdings) == 1 and uses:
        if not force:
            raise Conflict(
                f'conflict: unable to remove repository reference "{tag}" (must force) - container'
                f" {uses[0].container_id[:_SHORT_ID]} is using its referenced image {_short(record)}"
            )
        if any(use.is_running for use in uses):
            return Removal(untagged, (tag,), is_deleted=False)
    return _removal(without_holding(record, owner), tenant, (tag,))


def plan_removal_by_id(record: ImageRecord, tenant: Tenant, *, force: bool, uses: Sequence[ImageUse]) -> Removal:
    """Take the tenant's claim away with all its names; by force also those that it looks after. Raises Conflict, Forbidden."""
    holdings = _holdings_meant(record, tenant, force=force)
    tags = tuple(sorted({tag for holding in holdings for tag in holding.tags}))
    if not force and len({parse_reference(tag).name for tag in tags}) > 1:
        raise Conflict(f"{_unable(record, 'must be forced')} - image is referenced in multiple repositories")
    left = record
    for holding in holdings:
        left = without_holding(left, holding.owner)
    if not left.holdings:
        _check_unused(record, force=force, uses=uses)
    return _removal(left, tenant, tags)


def _holdings_meant(record: ImageRecord, tenant: Tenant, *, force: bool) -> list[Holding]:
    own = record.holding_of(tenant)
    if own is not None and not force:
        return [own]
    looked_after = [holding for holding in record.holdings if tenant.sees(holding.owner)]
    if not looked_after:
        _check_may_remove(tenant, visible_holdings(record, tenant)[0].owner, record.image_id)
    return looked_after


def _check_may_remove(tenant: Tenant, owner: Tenant, name: str) -> None:
    if not tenant.sees(owner):
        holder = f"team {owner.name}" if owner.team else "the administrators"
        raise Forbidden(f"image {name} belongs to {holder}: only they may remove it")


def _check_unused(record: ImageRecord, *, force: bool, uses: Sequence[ImageUse]) -> None:
    for use in uses:
        if use.is_running:
            raise Conflict(
                f"{_unable(record, 'cannot be forced')} - image is being used by running container {use.container_id[:_SHORT_ID]}"
            )
    if uses and not force:
        raise Conflict(
            f"{_unable(record, 'must be forced')} - image is being used by stopped container {uses[0].container_id[:_SHORT_ID]}"
        )


def _removal(record: ImageRecord, tenant: Tenant, untagged: tuple[str, ...]) -> Removal:
    return Removal(record, untagged, is_deleted=not visible_holdings(record, tenant))


def _unable(record: ImageRecord, how: str) -> str:
    return f"conflict: unable to delete {_short(record)} ({how})"


def _short(record: ImageRecord) -> str:
    return hex_of(record.image_id)[:_SHORT_ID]
