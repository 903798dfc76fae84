"""What the stages of one build share: the request, the context, the results so far, and whom to tell.

Owns the counting of steps and the places that errors name. Decides nothing about instructions.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine.build import output
from engine.build.context import BuildContext
from engine.build.output import Line
from engine.build.plan import GIVEN, BuildPlan
from engine.build.request import BuildRequest
from engine.core.dockerfile_instructions import Instruction
from engine.core.dockerfile_scope import Variables
from engine.core.image_config import ImageConfig
from engine.core.tenants import Tenant
from engine.errors import EngineError
from engine.image.store import Image
from engine.service.engine import Engine

Say = Callable[[Line], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a stage has come. ``image`` is None while there is nothing; ``config`` is what the next image begins with."""

    image: Image | None
    config: ImageConfig

    @property
    def image_id(self) -> str:
        return self.image.id if self.image else ""


@dataclass(slots=True)
class BuildSession:
    """One build. ``variables`` is the file's own scope, ``triggers`` what bases have brought."""

    engine: Engine
    tenant: Tenant
    request: BuildRequest
    plan: BuildPlan
    context: BuildContext
    say: Say
    variables: Variables
    needed: set[str]  # images that nobody may remove meanwhile
    results: dict[int, Snapshot] = field(default_factory=dict)
    triggers: list[Instruction] = field(default_factory=list)
    number: int = 0

    def keep(self, now: Snapshot) -> Snapshot:
        """Have what a stage has come to stay until the build's end."""
        if now.image is not None:
            self.needed.add(now.image.id)
        return now

    async def announce(self, text: str) -> None:
        """Say which step begins."""
        self.number += 1
        await self.say(output.step(self.number, self.plan.total, text))

    @asynccontextmanager
    async def placed(self, instruction: Instruction) -> AsyncIterator[None]:
        """Say where in the file it was, when what follows fails."""
        try:
            yield
        except EngineError:
            if instruction.line != GIVEN:
                await self.say(output.place(self.request.dockerfile, instruction.line, instruction.text))
            raise
