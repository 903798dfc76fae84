"""Commit: what a container has changed becomes a layer, and with the layers of its image a new image."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from engine.core.commit import commit_entry, committed_config
from engine.core.image_config import ImageConfig
from engine.core.references import parse_tagged
from engine.core.tenants import Tenant
from engine.image.store import Image
from engine.runtime.files_session import FilesSession
from engine.service.commit_pause import held_still
from engine.service.container_files import layer_session
from engine.service.engine import Engine
from engine.service.room import with_room
from engine.service.tenant_rules import check_build


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """``config`` holds the values that the request itself sets, ``changes`` instructions over them."""

    config: ImageConfig
    reference: str = ""
    author: str = ""
    comment: str = ""
    changes: Sequence[str] = ()
    pauses: bool = True


async def commit_container(engine: Engine, tenant: Tenant, name: str, request: CommitRequest) -> Image:
    """Make an image of a container for the acting tenant. Raises NotFound, InvalidParameter, Conflict, Fault.

    A running container stands still meanwhile, unless ``pauses`` is off.
    """
    record = engine.containers.find(tenant, name)
    check_build(engine, tenant)
    base = engine.images.by_id(record.image_id)
    reference = _checked_reference(engine, request.reference)
    told = partial(committed_config, base.config, record.config, request.config, changes=request.changes)
    config = await engine.slow.run(tenant, told)  # changes to many entries take long

    def store(session: FilesSession) -> Image:
        with session.as_file() as layer:
            return engine.images.derive(
                base,
                layer.as_binary(),
                tenant=tenant,
                config=config,
                history=lambda created: commit_entry(
                    record.config, created=created, author=request.author, comment=request.comment
                ),
                reference=request.reference,
            )

    async with (
        with_room(engine, tenant),
        held_still(engine, record) if request.pauses else nullcontext(),
        layer_session(engine, record, {"verb": "pack"}) as session,
    ):
        image = await engine.slow.run(tenant, lambda: store(session))
        if reference:
            engine.publish_image("tag", image, tenant, name=reference)
        named = {"imageRef": reference} if reference else {}
        engine.publish(record, "commit", comment=request.comment, imageID=image.id, **named)
    return image


def _checked_reference(engine: Engine, reference: str) -> str:
    """The name in full, looked at before anything is done. Raises InvalidParameter."""
    return parse_tagged(reference, default_domain=engine.images.default_domain).text if reference else ""
