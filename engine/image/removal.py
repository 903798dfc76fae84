"""What removing an image by a name or by its id comes to, by Docker's rules. Pure: returns a plan, changes nothing.

A tenant removes only claims that it holds itself or looks after. While other tenants hold the image, nothing of theirs changes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.core.digests import short_digest
from engine.core.ids import short_id
from engine.core.references import parse_reference
from engine.core.tenants import Tenant
from engine.errors import Conflict, Forbidden
from engine.image.lookup import visible_holdings
from engine.image.records import Holding, ImageRecord, without_digest, without_holding, without_tag


@dataclass(frozen=True, slots=True)
class ImageUse:
    """A container made from the image, and whose it is."""

    container_id: str
    is_running: bool
    owner: Tenant | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """The record as it is to be, the names that go, the claims that go, and whether the image is gone for who asked."""

    record: ImageRecord
    untagged: tuple[str, ...]
    is_deleted: bool
    dropped: tuple[Holding, ...] = ()


def plan_removal_by_name(
    record: ImageRecord,
    tenant: Tenant,
    name: str,
    *,
    force: bool,
    uses: Sequence[ImageUse],
    parents: Collection[Tenant] = (),
) -> Removal:
    """Take one name (a tag, or name@digest) away; the last one takes the claim with it, unless it has children.

    ``parents`` are those who made other images of this one. Raises Conflict, Forbidden.
    """
    held = next(one for one in visible_holdings(record, tenant) if name in (*one.tags, *one.repo_digests))
    _check_may_remove(tenant, held.owner, name)
    left, gone = _without_name(record, held, name)
    if any(one.is_named for one in left.holdings if one.owner == held.owner):
        return Removal(left, gone, is_deleted=False)
    counted = uses_against(record, held, uses)
    if counted and not force:
        raise Conflict(
            f'conflict: unable to remove repository reference "{name}" (must force) - container'
            f" {short_id(counted[0].container_id)} is using its referenced image {short_digest(record.image_id)}"
        )
    if held.owner in parents or any(use.is_running for use in counted):
        return Removal(left, gone, is_deleted=False)
    return _removal(record, without_holding(left, held.owner), tenant, gone)


def plan_removal_by_id(
    record: ImageRecord, tenant: Tenant, *, force: bool, uses: Sequence[ImageUse], parents: Collection[Tenant] = ()
) -> Removal:
    """Take the tenant's claim away with all its names; by force also those that it looks after. Raises Conflict, Forbidden."""
    holdings = _holdings_meant(record, tenant, force=force)
    tags = tuple(sorted({tag for holding in holdings for tag in holding.tags}))
    digests = tuple(sorted({digest for holding in holdings for digest in holding.repo_digests}))
    if any(holding.owner in parents for holding in holdings):
        raise Conflict(f"{_unable(record, 'cannot be forced')} - image has dependent child images")
    if not force and (len(tags) > 1 or len({parse_reference(name).name for name in (*tags, *digests)}) > 1):
        raise Conflict(f"{_unable(record, 'must be forced')} - image is referenced in multiple repositories")
    left = record
    for holding in holdings:
        _check_unused(record, force=force, uses=uses_against(left, holding, uses))
        left = without_holding(left, holding.owner)
    return _removal(record, left, tenant, (*tags, *digests))


def uses_against(record: ImageRecord, holding: Holding, uses: Sequence[ImageUse]) -> list[ImageUse]:
    """Return the containers that stand against taking a claim away: all where it is the last, else the claimant's own."""
    return [use for use in uses if len(record.holdings) == 1 or use.owner == holding.owner]


def _without_name(record: ImageRecord, held: Holding, name: str) -> tuple[ImageRecord, tuple[str, ...]]:
    """Take a name away, and with a repository's last tag its digests."""
    repository = parse_reference(name).name
    if name in held.repo_digests:
        return without_digest(record, held.owner, name), (name,)
    left = without_tag(record, held.owner, name)
    if any(parse_reference(tag).name == repository for tag in held.tags if tag != name):
        return left, (name,)
    orphans = tuple(digest for digest in held.repo_digests if parse_reference(digest).name == repository)
    for digest in orphans:
        left = without_digest(left, held.owner, digest)
    return left, (name, *orphans)


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
                f"{_unable(record, 'cannot be forced')} - image is being used by running container {short_id(use.container_id)}"
            )
    if uses and not force:
        raise Conflict(
            f"{_unable(record, 'must be forced')} - image is being used by stopped container {short_id(uses[0].container_id)}"
        )


def _removal(before: ImageRecord, after: ImageRecord, tenant: Tenant, untagged: tuple[str, ...]) -> Removal:
    dropped = tuple(holding for holding in before.holdings if after.holding_of(holding.owner) is None)
    return Removal(after, untagged, not visible_holdings(after, tenant), dropped)


def _unable(record: ImageRecord, how: str) -> str:
    return f"conflict: unable to delete {short_digest(record.image_id)} ({how})"
