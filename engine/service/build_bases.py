"""FROM: what a stage begins with. An earlier stage, nothing at all, or an image, which is pulled where it is missing.

Owns the order in which these are looked for.
"""

from dataclasses import replace

from engine.core.dockerfile_hints import near
from engine.core.dockerfile_instructions import Stage
from engine.core.dockerfile_resolve import resolve
from engine.core.dockerfile_stages import source_stage
from engine.core.image_config import ImageConfig
from engine.core.merge import DEFAULT_PATH
from engine.core.platforms import Platform, parse_platform
from engine.errors import NotFound, Unavailable
from engine.image.store import SCRATCH, Image
from engine.service.build_pull import pull
from engine.service.build_session import BuildSession, Snapshot
from engine.service.tenant_rules import check_scratch, check_use

_ALIKE = 0.6  # for a name to be taken for one of a stage


async def find_base(session: BuildSession, stage: Stage) -> Snapshot:
    """Return what a stage begins with. Raises NotFound, InvalidParameter, and what a pull does."""
    start = resolve(stage.start, session.variables.values(()), escape=session.plan.dockerfile.escape)
    index = source_stage(session.plan.dockerfile, start.image, stage.index)
    if index is not None:
        return with_path(session.results[index])
    platform = start.platform or session.request.platform
    if start.image == SCRATCH:
        check_scratch(session.engine, session.tenant)
        return Snapshot(None, _nothing(platform, session.engine.host.architecture))
    image = await find_image(session, start.image, platform=platform)
    return with_path(Snapshot(image, image.config))


def _nothing(platform: str, architecture: str) -> ImageConfig:
    wanted = parse_platform(platform) if platform else Platform()
    return ImageConfig(architecture=wanted.architecture or architecture, os=wanted.os, variant=wanted.variant)


async def find_image(session: BuildSession, name: str, *, platform: str = "") -> Image:
    """Return an image that the tenant sees, pulled where it is missing, of another platform, or always on request."""
    images, tenant = session.engine.images, session.tenant
    if not session.request.pulls:
        try:
            image = images.get(tenant, name)
        except NotFound:
            pass
        else:
            check_use(session.engine, tenant, image, name)
            if _fits(image, platform):
                return image
    try:
        await pull(session, name, platform=platform)
    except (NotFound, Unavailable) as failure:
        kind = NotFound if isinstance(failure, NotFound) else Unavailable
        stages = (stage.name for stage in session.plan.dockerfile.stages if stage.name)
        raise kind(f"{failure.message}{near(name, stages, least=_ALIKE)}") from failure
    image = images.get(tenant, name)
    check_use(session.engine, tenant, image, name)
    return image


def _fits(image: Image, platform: str) -> bool:
    """Whether an image is for a platform, as far as that says; empty fits all. Raises InvalidParameter."""
    if not platform:
        return True
    wanted = parse_platform(platform)
    return image.config.os == wanted.os and wanted.architecture in ("", image.config.architecture)


def with_path(base: Snapshot) -> Snapshot:
    """Docker's builder gives every image a search path."""
    if base.image is None or any(entry.startswith("PATH=") for entry in base.config.env):
        return base
    return replace(base, config=replace(base.config, env=(*base.config.env, DEFAULT_PATH)))
