"""One stage of a build: its instructions one after the other, each from the cache or anew, each leaving an image.

Owns what an instruction of each kind leads to; what it means is the grammar's, how it is done is told elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from engine.build import output
from engine.build.cache import step_key
from engine.build.plan import GIVEN
from engine.build.run_options import run_host
from engine.core.dockerfile import parse_trigger
from engine.core.dockerfile_apply import apply_instruction, has_shebang, shell_command
from engine.core.dockerfile_hints import almost_list
from engine.core.dockerfile_history import created_by
from engine.core.dockerfile_instructions import Add, Arg, Cmd, Command, Copy, ExecForm, Instruction, Run, Stage, Workdir
from engine.core.dockerfile_resolve import resolve
from engine.core.image_config import HistoryEntry, ImageConfig
from engine.core.layers import MAX_LAYERS
from engine.errors import InvalidParameter
from engine.image.settled import settled
from engine.image.store import Image
from engine.service.build_cache import find_cached
from engine.service.build_copy import copy_step, make_workdir
from engine.service.build_layer import MakeImage
from engine.service.build_run import RunWish, run_command
from engine.service.build_session import BuildSession, Snapshot
from engine.storage.layers import Layer

_MAKES_LAYER = (Run, Copy, Add, Workdir)
Make = Callable[[MakeImage], Awaitable[Image]]
"""Does the work of a step, and makes its image by the function that it is handed."""


class StageBuild:
    """``now`` is how far it has come."""

    def __init__(self, session: BuildSession, stage: Stage, base: Snapshot) -> None:
        self.now = session.keep(base)
        self._session = session
        self._stage = stage
        self._variables = session.variables.stage()
        self._is_cmd_set = False

    async def run_triggers(self) -> None:
        """Do what the base wants to be done in its children. Raises what a step does."""
        triggers = self.now.config.onbuild
        if not triggers:
            return
        self.now = replace(self.now, config=replace(self.now.config, onbuild=()))
        await self._session.say(output.triggers(len(triggers)))
        for trigger in triggers:
            instruction = replace(parse_trigger(trigger, escape=self._escape), line=self._stage.line)
            self._session.triggers.append(instruction)
            async with self._session.placed(instruction):
                await self._execute(instruction)

    async def run(self) -> Snapshot:
        """Do all instructions. Raises EngineError of many kinds."""
        for instruction in self._stage.instructions:
            await self._session.announce(instruction.text)
            if warning := almost_list(instruction):
                await self._session.say(output.stream(warning))
            async with self._session.placed(instruction):
                await self._execute(instruction)
            await self._session.say(output.arrow(self.now.image_id))
        return self.now

    @property
    def _escape(self) -> str:
        return self._session.plan.dockerfile.escape

    async def _execute(self, written: Instruction) -> None:
        instruction = written
        if written.line != GIVEN:
            instruction = await asyncio.to_thread(self._resolved, written)
        match instruction:
            case Run():
                await self._run(instruction)
            case Copy() | Add():
                await self._copy(instruction)
            case Workdir():
                await self._workdir(instruction)
            case _:
                await self._set(instruction)

    def _resolved(self, written: Instruction) -> Instruction:
        """In a thread, as all that looks at a whole configuration, which may be large."""
        return resolve(written, self._variables.values(self.now.config.env), escape=self._escape)

    async def _set(self, instruction: Instruction) -> None:
        """An instruction that changes nothing but the configuration."""
        change = partial(apply_instruction, self.now.config, instruction, is_cmd_set=self._is_cmd_set)
        config = await asyncio.to_thread(change)
        if isinstance(instruction, Arg):
            self._variables = self._variables.declare(instruction)
        self._is_cmd_set = self._is_cmd_set or isinstance(instruction, Cmd)

        async def make(image: MakeImage) -> Image:
            return await self._session.engine.slow.run(self._session.tenant, lambda: image(None))

        await self._step(instruction, config, created_by(instruction, config), make)

    async def _run(self, instruction: Run) -> None:
        config, session = self.now.config, self._session
        args = shell_command(instruction.command, config)
        history_args = self._variables.history_args(config.env)
        wish = self._wish(instruction, args)

        async def make(image: MakeImage) -> Image:
            return await run_command(session.engine, session.tenant, wish, image, session.say)

        text = created_by(instruction, config, build_args=history_args)
        await self._step(
            instruction, config, text, make, further=(*args, "", *history_args, repr(instruction.mounts), instruction.network)
        )

    async def _copy(self, instruction: Copy | Add) -> None:
        engine, tenant, config = self._session.engine, self._session.tenant, self.now.config
        async with copy_step(self._session, self.now, instruction, self._stage.index) as step:
            content = await settled(engine.slow.run(tenant, step.key))

            async def make(image: MakeImage) -> Image:
                return await settled(engine.slow.run(tenant, partial(step.layer, image)))

            further = (instruction.destination, instruction.chown, instruction.chmod)
            await self._step(instruction, config, created_by(instruction, config, content=content), make, further=further)

    async def _workdir(self, instruction: Workdir) -> None:
        """As Docker's classic builder: root's, whoever the user is."""
        engine, tenant, now = self._session.engine, self._session.tenant, self.now
        config = apply_instruction(now.config, instruction)

        async def make(image: MakeImage) -> Image:
            work = partial(make_workdir, self._session, now.image, config.workdir, image)
            return await settled(engine.slow.run(tenant, work))

        await self._step(instruction, config, created_by(instruction, config), make)

    def _wish(self, instruction: Run, args: tuple[str, ...]) -> RunWish:
        """Raises InvalidParameter."""
        request, image = self._session.request, self.now.image
        if image is None:
            raise InvalidParameter("RUN needs a file system: FROM scratch has none, COPY or ADD a program first")
        return RunWish(
            base=image,
            args=args,
            shown=_shown(instruction.command, args),
            config=self.now.config,
            env=self._variables.run_environment(self.now.config.env),
            host=run_host(request.host, instruction),
            script=args[-1].encode() if has_shebang(instruction.command, self._escape) else b"",
            keeps=not (request.removes or request.force_removes),
        )

    async def _step(
        self, instruction: Instruction, config: ImageConfig, text: str, make: Make, *, further: Sequence[str] = ()
    ) -> None:
        """Take the image of a step from the cache, or make it."""
        session = self._session
        key = await asyncio.to_thread(partial(step_key, type(instruction).__name__, config, created_by=text, further=further))
        base, entry = self.now.image, HistoryEntry(created_by=text, author=config.author)

        def image(layer: Layer | None, told: HistoryEntry = entry) -> Image:
            return session.engine.images.build_step(base, tenant=session.tenant, config=config, entry=told, layer=layer, step=key)

        found = await find_cached(session, self.now, key, created_by=text, record=image)
        if found is not None:
            await session.say(output.cached())
        else:
            check_layers(instruction, config)
            found = await make(image)
        self.now = session.keep(Snapshot(found, found.config))


def _shown(command: Command, args: tuple[str, ...]) -> str:
    """The command as an error names it: without the texts that come with it."""
    return " ".join(args if isinstance(command, ExecForm) else (*args[:-1], command.text))


def check_layers(instruction: Instruction, config: ImageConfig) -> None:
    """Raise InvalidParameter when no further layer could be mounted."""
    if isinstance(instruction, _MAKES_LAYER) and len(config.diff_ids) >= MAX_LAYERS:
        raise InvalidParameter(f"the image would have more than {MAX_LAYERS} layers: join some RUN, COPY and ADD instructions")
