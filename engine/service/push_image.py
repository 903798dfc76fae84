"""Push: send an image, or all that the tenant has under a repository's name, to its registry."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from engine.core.progress import Line, status_line
from engine.core.references import Reference, parse_reference
from engine.core.registries import Credentials, normalise_domain
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, NotFound
from engine.image.push import Push
from engine.image.store import Image
from engine.service.engine import Engine
from engine.service.pull_image import publish_transfer
from engine.service.tenant_rules import check_push

Tell = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class PushRequest:
    """``reference`` without a tag means all tags. Credentials are for this request alone, and are kept nowhere."""

    reference: str
    credentials: Credentials | None = field(default=None, repr=False)


async def push_image(engine: Engine, tenant: Tenant, request: PushRequest, tell: Tell) -> None:
    """Push, telling how far it is. Raises NotFound, InvalidParameter, Forbidden, Unavailable, Fault."""
    reference = parse_reference(request.reference, default_domain=engine.images.default_domain)
    if reference.digest:
        raise InvalidParameter("cannot push a digest reference: give a tag")
    check_push(engine, tenant, reference)
    repository = engine.registries.repository(reference, request.credentials, tenant=tenant, pushes=True)
    tell(status_line(f"The push refers to repository [{normalise_domain(reference.domain)}/{repository.path}]"))
    push = Push(engine.images, engine.sources, engine.slow.run, repository, tenant=tenant, tell=tell)
    for tagged, image in _named(engine, tenant, reference):
        await _push_one(engine, tenant, push, tagged, image, tell=tell)


def _named(engine: Engine, tenant: Tenant, reference: Reference) -> list[tuple[Reference, Image]]:
    if reference.tag:
        try:
            return [(reference, engine.images.get(tenant, reference.text))]
        except NotFound:
            raise NotFound(f"An image does not exist locally with the tag: {reference.name}") from None
    found = [(parse_reference(name), image) for image, names in engine.images.list(tenant) for name in names]
    wanted = sorted(((tagged, image) for tagged, image in found if tagged.name == reference.name), key=lambda pair: pair[0].tag)
    if not wanted:
        raise NotFound(f"An image does not exist locally with the tag: {reference.name}")
    return wanted


async def _push_one(engine: Engine, tenant: Tenant, push: Push, reference: Reference, image: Image, *, tell: Tell) -> None:
    pushed = await push.run(image, reference.tag)
    tell(status_line(f"{reference.tag}: digest: {pushed.digest} size: {pushed.size}"))
    tell({"progressDetail": {}, "aux": {"Tag": reference.tag, "Digest": pushed.digest, "Size": pushed.size}})
    name = replace(reference, tag="", digest=pushed.digest).text
    await engine.slow.run(tenant, lambda: engine.images.note_digest(tenant, image.id, name))
    publish_transfer(engine, "push", image, reference, tenant)
