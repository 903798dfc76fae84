"""Which images a tenant sees, by which names, and what a name means to it. Pure.

A name is looked up in the tenant's own scope, then in its team's, then among what the administrators published. A team, and an
administrator, also see their members' images; those count last, and only where the name is clear.
"""

from collections.abc import Collection, Iterable, Mapping

from engine.core.digests import parse_id_prefix
from engine.core.references import Reference, parse_reference, with_default_tag
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, NotFound
from engine.image.records import Holding, ImageRecord

_OWN, _TEAM, _PUBLISHED, _MEMBERS = range(4)
_FULL_ID_DIGITS = 64


def rank(tenant: Tenant, owner: Tenant) -> int | None:
    """How near an owner's images are to a tenant, 0 the nearest; None: not visible."""
    if owner == tenant:
        return _OWN
    if owner == Tenant(tenant.team) and not tenant.is_administrator:
        return _TEAM
    if owner.is_administrator:
        return _PUBLISHED
    return _MEMBERS if tenant.sees(owner) else None


def visible_holdings(record: ImageRecord, tenant: Tenant) -> list[Holding]:
    """Return the holdings through which a tenant sees an image, nearest first."""
    ranked = [(rank(tenant, holding.owner), holding) for holding in record.holdings]
    seen = [(at, holding.owner, holding) for at, holding in ranked if at is not None]
    return [holding for _, _, holding in sorted(seen, key=lambda item: item[:2])]


def sources_of(record: ImageRecord, tenant: Tenant) -> tuple[str, ...]:
    """Return what an image is known as by those who can be believed: administrators, who call it so, and registries.

    What a tenant made here has the names of what it was made from. What tenants call an image themselves says nothing.
    """
    found: list[str] = []
    for holding in visible_holdings(record, tenant):
        found += (*holding.tags, *holding.repo_digests) if holding.owner.is_administrator else holding.sources
    return tuple(dict.fromkeys(found))


def nearest_names(records: Iterable[ImageRecord], tenant: Tenant) -> dict[str, int]:
    """Return every name that a tenant can use, with the rank of the image that it means."""
    nearest: dict[str, int] = {}
    for record in records:
        for name, at in _name_ranks(record, tenant).items():
            nearest[name] = min(at, nearest.get(name, at))
    return nearest


def tags_for(nearest: Mapping[str, int], record: ImageRecord, tenant: Tenant) -> list[str]:
    """Return the names by which a tenant reaches an image; one that means another image to it is left out."""
    # Who looks after members wants to see what they call their images, even where the name means another one to oneself.
    return sorted(name for name, at in _name_ranks(record, tenant).items() if at == _MEMBERS or at == nearest[name])


def _name_ranks(record: ImageRecord, tenant: Tenant) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for holding in visible_holdings(record, tenant):
        at = rank(tenant, holding.owner)
        if at is not None:
            ranks.update({name: at for name in holding.tags if name not in ranks})
    return ranks


def find(records: Collection[ImageRecord], tenant: Tenant, name: str, *, default_domain: str = "") -> ImageRecord:
    """Return the image that a name, a name with digest, an id or the beginning of an id means to a tenant.

    Raises NotFound; InvalidParameter for a malformed name and for one that means several images.
    """
    digits = parse_id_prefix(name)
    if digits and _is_id(name):
        return _by_digits(records, tenant, name, digits)
    reference = parse_reference(name, default_domain=default_domain)
    named = (
        _by_digest(records, tenant, reference) if reference.digest else _by_tag(records, tenant, with_default_tag(reference).text)
    )
    if named is not None:
        return named
    if digits:
        return _by_digits(records, tenant, name, digits)
    # With a capital letter: Compose 1.29 knows by it that an image is to be built.
    raise NotFound(f"No such image: {name}")


def tag_of(name: str, *, default_domain: str = "") -> str:
    """Return the tag that a name would be, for a name that ``find`` found; empty for what can only be an id."""
    return "" if _is_id(name) else with_default_tag(parse_reference(name, default_domain=default_domain)).text


def _is_id(name: str) -> bool:
    digits = parse_id_prefix(name)
    return digits is not None and (name.startswith("sha256:") or len(digits) == _FULL_ID_DIGITS)


def _by_tag(records: Iterable[ImageRecord], tenant: Tenant, tag: str) -> ImageRecord | None:
    # Who sees a record takes longer to tell than whether it has the name at all, which most have not.
    named = {record.image_id: record for record in records for holding in record.holdings if tag in holding.tags}
    ranked = [(at, record) for record in named.values() if (at := _name_ranks(record, tenant).get(tag)) is not None]
    nearest = min((at for at, _ in ranked), default=None)
    found = [record for at, record in ranked if at == nearest]
    if len(found) > 1:
        raise InvalidParameter(f"image name {tag!r} is ambiguous: several members have it, give an id")
    return found[0] if found else None


def _by_digest(records: Iterable[ImageRecord], tenant: Tenant, reference: Reference) -> ImageRecord | None:
    wanted = f"{reference.name}@{reference.digest}"
    for record in records:
        holdings = visible_holdings(record, tenant)
        if any(wanted in holding.repo_digests for holding in holdings):
            return record
        names = (parse_reference(tag).name for holding in holdings for tag in holding.tags)
        if reference.digest == record.image_id and reference.name in names:
            return record
    return None


def _by_digits(records: Iterable[ImageRecord], tenant: Tenant, name: str, digits: str) -> ImageRecord:
    beginning = f"sha256:{digits}"
    found = [one for one in records if one.image_id.startswith(beginning) and visible_holdings(one, tenant)]
    if len(found) > 1:
        raise InvalidParameter(f"image id {name!r} is ambiguous: give more digits")
    if not found:
        raise NotFound(f"No such image: {name}")
    return found[0]
