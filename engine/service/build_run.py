"""RUN: a command in a container of the tenant's own, made from the image so far, and what it has written as a layer.

Owns the container from its making to its end, whatever happens in between. It carries a mark, by which a daemon that starts
knows those that a dead one has left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from engine.build import output
from engine.build.output import Line, StepFailed, Transcript
from engine.core.containers import ContainerConfig, ContainerRecord, HostConfig
from engine.core.health import Healthcheck
from engine.core.image_config import ImageConfig
from engine.core.log_options import NO_DRIVER
from engine.core.tenants import Tenant
from engine.errors import EngineError, NotFound
from engine.image.settled import settled
from engine.image.store import Image
from engine.runtime.log_reader import LogFollower
from engine.service.build_layer import MakeImage, image_of_container
from engine.service.build_script import new_script_name, put_script, take_script
from engine.service.create_container import Created, CreateRequest, create_container
from engine.service.engine import Engine
from engine.service.exits import shown_exit_code
from engine.service.milestones import Milestone
from engine.service.output_flow import tell_readers
from engine.service.remove_container import remove_container
from engine.service.start_container import start_container

Say = Callable[[Line], Awaitable[None]]
_NO_PROBE = Healthcheck(test=("NONE",))


@dataclass(frozen=True, slots=True)
class RunWish:
    """``shown`` is the command as an error names it, ``env`` what it finds beside the image's own.

    A ``script`` is executed instead of ``args``.
    """

    base: Image
    args: tuple[str, ...]
    shown: str
    config: ImageConfig
    env: tuple[str, ...]
    host: HostConfig
    keeps: bool = False  # the container, for whoever wants to look at it
    script: bytes = b""
    script_name: str = field(default_factory=new_script_name)


async def run_command(engine: Engine, tenant: Tenant, wish: RunWish, make: MakeImage, say: Say) -> Image:
    """Run a command on top of an image. Raises StepFailed, and what creating and starting a container raise."""
    record = await _created(engine, tenant, _request(wish))
    path = engine.containers.path(record.container_id)
    try:
        if wish.script:
            await asyncio.to_thread(put_script, path, wish.script_name, wish.script)
        await say(output.running(record.container_id))
        await _run(engine, record, wish, say)
        if wish.script:
            await asyncio.to_thread(take_script, path, wish.script_name)
        ended = engine.containers.current(record.container_id)
        image = await settled(image_of_container(engine, ended, make, keeps=wish.keeps))
    except StepFailed:
        await _end(engine, record, wish, say)
        raise
    except BaseException:
        await settled(_remove(engine, record))
        raise
    await _end(engine, record, wish, say)
    return image


async def _created(engine: Engine, tenant: Tenant, request: CreateRequest) -> ContainerRecord:
    creating = asyncio.ensure_future(create_container(engine, tenant, request))
    try:
        created = await settled(creating)
    except asyncio.CancelledError:
        await settled(_remove_created(engine, creating))
        raise
    return engine.containers.current(created.container_id)


async def _remove_created(engine: Engine, creating: "asyncio.Future[Created]") -> None:
    with suppress(EngineError):
        await _remove(engine, engine.containers.current(creating.result().container_id))


def _request(wish: RunWish) -> CreateRequest:
    config = ContainerConfig(
        image=wish.base.id,
        hostname="",
        user=wish.config.user,
        env=(*wish.config.env, *wish.env),
        cmd=(f"/{wish.script_name}",) if wish.script else wish.args,
        entrypoint=("",),
        working_dir=wish.config.workdir,
        healthcheck=_NO_PROBE,
        shell=wish.config.shell,
    )
    # Without a log the command waits for the client, however much it writes.
    return CreateRequest(config=config, host=replace(wish.host, log_driver=NO_DRIVER), is_build_step=True)


async def _run(engine: Engine, record: ContainerRecord, wish: RunWish, say: Say) -> None:
    """Start the container, tell what it says, and wait for its end."""
    exited = engine.milestones.upcoming(record.container_id, Milestone.EXITED)
    engine.publish(record, "attach")
    with engine.readers.expecting(record.container_id, 0):
        await settled(start_container(engine, record.tenant, record.container_id))
        follower = _follow(engine, record)
    try:
        with engine.readers.reading(record.container_id, follower), follower:
            await _tell(engine, record, follower, say)
    finally:
        await settled(tell_readers(engine, record))  # the command waits for nobody any more
    ended = await asyncio.shield(exited)
    if (code := shown_exit_code(ended.run.exit_code)) != 0:
        raise StepFailed(f"The command '{wish.shown}' returned a non-zero code: {code}", exit_code=code)


def _follow(engine: Engine, record: ContainerRecord) -> LogFollower:
    """One that has ended already is read to its end."""
    process = engine.supervisor.processes.get(record.container_id)
    return engine.log(record.container_id).follow(position=0, ended=process.ended if process else None)


async def _tell(engine: Engine, record: ContainerRecord, follower: LogFollower, say: Say) -> None:
    transcript = Transcript()
    async for frames in follower.batches():
        for source, pieces in groupby(frames, key=lambda frame: frame.stream):
            if (line := transcript.feed(source, b"".join(piece.data for piece in pieces))) is not None:
                await say(line)
        await tell_readers(engine, record)
    for line in transcript.rest():
        await say(line)


async def _end(engine: Engine, record: ContainerRecord, wish: RunWish, say: Say) -> None:
    if wish.keeps:
        await settled(_leave(engine, record))
        return
    await settled(_remove(engine, record))
    await say(output.removing(record.container_id))


async def _leave(engine: Engine, record: ContainerRecord) -> None:
    """From now on it is a container as any other."""
    async with engine.containers.lock(record.container_id):
        present = engine.containers.get(record.container_id)
        if present is not None:
            await engine.containers.save(replace(present, is_build_step=False))


async def _remove(engine: Engine, record: ContainerRecord) -> None:
    with suppress(NotFound):
        await remove_container(engine, record.tenant, record.container_id, force=True, with_volumes=True)
