"""Pull: bring an image, or all tags of a repository, from a registry to the acting tenant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from engine.core.platforms import Platform, fitness
from engine.core.progress import Line, status_line
from engine.core.references import Reference, parse_reference
from engine.core.registries import Credentials
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, NotFound
from engine.image.pull import Pull, Pulled, Stores
from engine.image.pull_manifest import wanted_platform
from engine.image.registry_repository import Repository
from engine.image.store import Image
from engine.service.engine import Engine
from engine.service.room import with_room
from engine.service.tenant_rules import check_fetch, check_pull

MOST_TAGS = 1000
Tell = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """``reference`` without tag or digest means all tags. Credentials are for this request alone, and are kept nowhere."""

    reference: str
    platform: str = ""
    credentials: Credentials | None = field(default=None, repr=False)


async def pull_image(engine: Engine, tenant: Tenant, request: PullRequest, tell: Tell) -> None:
    """Pull, telling how far it is. Raises NotFound, InvalidParameter, Forbidden, Unavailable, Fault.

    When it is cancelled it stops at once, but for transfers that others wait for; layers that are complete stay for a day.
    """
    reference = parse_reference(request.reference, default_domain=engine.images.default_domain)
    platform = wanted_platform(request.platform)
    check_fetch(engine, tenant, reference.text)
    if reference.tag or reference.digest:
        check_pull(engine, tenant, [reference])
    repository = engine.registries.repository(reference, request.credentials, tenant=tenant)
    references = [reference] if reference.tag or reference.digest else _each(reference, await repository.tags(most=MOST_TAGS))
    check_pull(engine, tenant, references)
    stores = Stores(engine.images, engine.sources, engine.transfers, engine.slow.run)
    async with with_room(engine, tenant):
        pulled = [await _pull_one(stores, repository, one, platform, tenant=tenant, tell=tell) for one in references]
    outcome = "Downloaded newer image for" if any(one.is_new for one in pulled) else "Image is up to date for"
    tell(status_line(f"Status: {outcome} {reference.text}"))
    if request.platform:
        _warn_of_platform(pulled[-1].image, reference, platform, tell)
    publish_transfer(engine, "pull", pulled[-1].image, reference, tenant)


def _warn_of_platform(image: Image, reference: Reference, wanted: Platform, tell: Tell) -> None:
    """Without an index there is no choice: what is there comes, as with dockerd."""
    actual = image.config.platform
    if fitness(actual, wanted) is None:
        tell(
            status_line(
                f"WARNING: image with reference {reference.text} was found but does not match the specified platform:"
                f" wanted {wanted.text}, actual: {actual.text}"
            )
        )


async def _pull_one(
    stores: Stores, repository: Repository, reference: Reference, platform: Platform, *, tenant: Tenant, tell: Tell
) -> Pulled:
    pulled = await Pull(stores, repository, tenant=tenant, tell=tell).run(reference, platform)
    tell(status_line(f"Digest: {pulled.digest}"))
    return pulled


def publish_transfer(engine: Engine, action: str, image: Image, reference: Reference, tenant: Tenant) -> None:
    """Tell of a pull or push: here dockerd's event has the reference for an id, and the repository for a name."""
    attributes = {**image.config.labels, "name": reference.name}
    engine.events.publish("image", action, reference.text, attributes, tenant=tenant)


def _each(reference: Reference, tags: Sequence[str]) -> list[Reference]:
    """A registry may list anything. Raises InvalidParameter for what can be no tag."""
    if not tags:
        raise NotFound(f"repository {reference.name} not found: it has no tags")
    if len(tags) > MOST_TAGS:
        raise InvalidParameter(f"{reference.name} has {len(tags)} tags, at most {MOST_TAGS} are pulled at once: name one")
    each = [replace(reference, tag=tag) for tag in dict.fromkeys(tags)]
    for tagged in each:
        if not _is_sound(tagged):
            raise InvalidParameter(f"the registry lists {tagged.tag[:128]!r} as a tag of {reference.name}, which can be none")
    return each


def _is_sound(tagged: Reference) -> bool:
    try:
        return parse_reference(tagged.text) == tagged
    except InvalidParameter:
        return False
