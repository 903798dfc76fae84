"""Build: an image from a Dockerfile and a context, step by step.

Owns the order of things and what is left when a build ends, however it ends: finished steps, as the cache of the next one.
"""

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from functools import partial
from typing import BinaryIO

from engine.build import output
from engine.build.context import BuildContext
from engine.build.output import Line
from engine.build.plan import BuildPlan, plan_build
from engine.build.request import BuildRequest
from engine.core.dockerfile import parse_dockerfile
from engine.core.dockerfile_resolve import resolve
from engine.core.dockerfile_scope import Variables, platform_args, unused_build_args
from engine.core.platforms import Platform, parse_platform
from engine.core.references import parse_tagged
from engine.core.tenants import Tenant
from engine.errors import EngineError, InvalidParameter
from engine.image.store import Image
from engine.service.build_bases import find_base
from engine.service.build_checks import check_request
from engine.service.build_context import opened_context
from engine.service.build_session import BuildSession, Say
from engine.service.build_stage import StageBuild
from engine.service.engine import Engine
from engine.service.room import wait_for_room, with_room
from engine.service.tenant_rules import check_build

_MOST_MUTED = 256 * 2**10  # characters of a quiet build that are told when it fails, the last ones


async def build_image(engine: Engine, tenant: Tenant, request: BuildRequest, archive: BinaryIO, say: Say) -> Image:
    """Build, telling each line to ``say``, and return the image under its names.

    What is wrong before the first line has nothing to do with a step. Raises InvalidParameter, NotFound, Forbidden, StepFailed,
    and what containers, copies and pulls raise. When the caller is cancelled, what runs is ended and taken away.
    """
    check_request(engine, tenant, request)
    check_build(engine, tenant)
    async with with_room(engine, tenant):
        image = await _in_turn(engine, tenant, request, archive, say)
    await wait_for_room(engine, tenant)
    return image


async def _in_turn(engine: Engine, tenant: Tenant, request: BuildRequest, archive: BinaryIO, say: Say) -> Image:
    async with engine.builds.going(tenant) as needed, AsyncExitStack() as stack:
        context = await stack.enter_async_context(opened_context(engine, tenant, request, archive))
        plan = await engine.slow.run(tenant, partial(_plan, context, request))
        heard = _Muted(say) if request.is_quiet else None
        told = heard.say if heard else say
        session = BuildSession(engine, tenant, request, plan, context, told, _variables(engine, request), needed)
        try:
            image = await _build(session)
        except EngineError:
            if heard is not None:
                await heard.repeat()
            raise
        if request.is_quiet:
            await say(output.stream(f"{image.id}\n"))
        return image


class _Muted:
    """Keeps what a quiet build would say for the case that it fails."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._lines: deque[Line] = deque()
        self._characters = 0

    async def say(self, line: Line) -> None:
        self._lines.append(line)
        self._characters += _length(line)
        while self._characters > _MOST_MUTED:
            self._characters -= _length(self._lines.popleft())

    async def repeat(self) -> None:
        for line in self._lines:
            await self._say(line)


def _length(line: Line) -> int:
    return len(str(line.get("stream", "")))


def _plan(context: BuildContext, request: BuildRequest) -> BuildPlan:
    dockerfile = parse_dockerfile(context.dockerfile, name=request.dockerfile)
    return plan_build(dockerfile, target=request.target, labels=request.labels)


def _variables(engine: Engine, request: BuildRequest) -> Variables:
    wanted = parse_platform(request.platform) if request.platform else Platform(architecture=engine.host.architecture)
    told = platform_args(
        target_os=wanted.os,
        target_architecture=wanted.architecture or engine.host.architecture,
        target_variant=wanted.variant,
        build_os="linux",
        build_architecture=engine.host.architecture,
        target_stage=request.target,
    )
    return Variables.of_file(request.args, told)


async def _build(session: BuildSession) -> Image:
    for arg in session.plan.args:
        await session.announce(arg.text)
        async with session.placed(arg):
            values = session.variables.values(())
            session.variables = session.variables.declare(resolve(arg, values, escape=session.plan.dockerfile.escape))
    image = None
    for stage in session.plan.stages:
        await session.announce(stage.start.text)
        async with session.placed(stage.start):
            building = StageBuild(session, stage, await find_base(session, stage))
        await building.run_triggers()
        await session.say(output.arrow(building.now.image_id))
        session.results[stage.index] = await building.run()
        image = building.now.image
        if image is not None:
            await session.say(output.image_id(image.id))
    if image is None:
        raise InvalidParameter("no image was generated: the last stage of the Dockerfile has no instruction but FROM scratch")
    return await _finish(session, image)


async def _finish(session: BuildSession, image: Image) -> Image:
    request, engine, tenant = session.request, session.engine, session.tenant
    stages = [stage.index for stage in session.plan.stages]
    if unused := unused_build_args(session.plan.dockerfile, request.args, stages=stages, triggers=session.triggers):
        await session.say(output.unused_args(unused))
    await session.say(output.built(image.id))
    for tag in request.tags:
        reference = parse_tagged(tag, default_domain=engine.images.default_domain).text
        await asyncio.to_thread(engine.images.tag, tenant, image.id, reference)
        engine.publish_image("tag", image, tenant, name=reference)
        await session.say(output.tagged(reference))
    return image
