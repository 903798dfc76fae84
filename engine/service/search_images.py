"""Look into registries without bringing anything: search by a term, and what a name leads to."""

from dataclasses import dataclass, field

from engine.core.filters import Filters, parse_bool
from engine.core.image_config import parse_image_config
from engine.core.manifests import Index, Manifest, parse_manifest
from engine.core.platforms import Platform
from engine.core.references import parse_reference, with_default_tag
from engine.core.registries import Credentials, split_term
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.image.pull_manifest import fetch_config
from engine.image.registry_repository import Repository
from engine.image.registry_search import SearchResult
from engine.service.engine import Engine
from engine.service.tenant_rules import check_fetch, check_look, check_pull

FILTERS = frozenset({"is-automated", "is-official", "stars"})
_USUAL, _MOST = 25, 100


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """``limit``: None and 0 for the usual number."""

    term: str
    limit: int | None
    filters: Filters
    credentials: Credentials | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a name leads to in its registry: a manifest or an index, and which platforms that serves."""

    media_type: str
    digest: str
    size: int
    platforms: tuple[Platform, ...]


async def search_images(engine: Engine, tenant: Tenant, request: SearchRequest) -> list[SearchResult]:
    """Search Docker Hub, or the registry that the term begins with. Raises InvalidParameter, Forbidden, Unavailable."""
    if not request.term:
        raise InvalidParameter("no term given: give term")
    limit = request.limit or _USUAL
    if not 1 <= limit <= _MOST:
        raise InvalidParameter(f"Limit {limit} is outside the range of [1, {_MOST}]")
    check_look(engine, tenant, split_term(request.term)[0], "results of a search")
    found = await engine.registries.search(request.term, limit=limit, credentials=request.credentials, tenant=tenant)
    return [one for one in found if _passes(one, request.filters)]


async def look_up_distribution(engine: Engine, tenant: Tenant, name: str, credentials: Credentials | None) -> Distribution:
    """Ask the registry what a name leads to. Raises NotFound, InvalidParameter, Forbidden, Unavailable."""
    reference = with_default_tag(parse_reference(name, default_domain=engine.images.default_domain))
    check_fetch(engine, tenant, reference.text)
    check_pull(engine, tenant, [reference])
    repository = engine.registries.repository(reference, credentials, tenant=tenant)
    fetched = await repository.manifest(reference.digest or reference.tag)
    parsed = parse_manifest(fetched.raw, fetched.media_type)
    platforms = _offered(parsed) if isinstance(parsed, Index) else (await _platform_of(repository, parsed),)
    return Distribution(fetched.media_type, fetched.digest, len(fetched.raw), platforms)


def _offered(index: Index) -> tuple[Platform, ...]:
    return tuple(dict.fromkeys(entry.platform for entry in index.manifests if entry.platform is not None))


async def _platform_of(repository: Repository, manifest: Manifest) -> Platform:
    return parse_image_config(await fetch_config(repository, manifest.config)).platform


def _passes(result: SearchResult, filters: Filters) -> bool:
    return all(_fits(result, name, values) for name, values in filters.items())


def _fits(result: SearchResult, name: str, values: tuple[str, ...]) -> bool:
    match name:
        case "is-official":
            return result.is_official is parse_bool(values, name=name)
        case "is-automated":
            return result.is_automated is parse_bool(values, name=name)
        case _:
            return result.star_count >= _stars(values)


def _stars(values: tuple[str, ...]) -> int:
    try:
        return max(map(int, values))
    except ValueError:
        raise InvalidParameter(f"invalid filter 'stars={values[0][:40]}': use a whole number") from None
