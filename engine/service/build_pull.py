"""Pulling what a build needs of images, with its progress among the build's own lines."""

import asyncio
from contextlib import suppress

from engine.core.progress import Line
from engine.core.references import parse_reference, with_default_tag
from engine.core.registries import normalise_domain
from engine.service.build_session import BuildSession, Say
from engine.service.pull_image import PullRequest, pull_image


async def pull(session: BuildSession, name: str, *, platform: str) -> None:
    """Pull one image for the build's tenant. Raises NotFound, InvalidParameter, Forbidden, Unavailable, Fault."""
    images, credentials = session.engine.images, session.request.credentials
    reference = with_default_tag(parse_reference(name, default_domain=images.default_domain))
    wanted = PullRequest(reference.text, platform, credentials.get(normalise_domain(reference.domain)))
    progress = _Progress(session.say)
    sending = asyncio.create_task(progress.send())
    try:
        await pull_image(session.engine, session.tenant, wanted, progress.tell)
        progress.end()
        await sending
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


class _Progress:
    """What a slow client has not been told yet: of what is known to change, the newest alone."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._waiting: dict[tuple[object, object], Line] = {}
        self._wake = asyncio.Event()
        self._has_ended = False

    def tell(self, line: Line) -> None:
        self._waiting[line.get("id"), line.get("status")] = line
        self._wake.set()

    def end(self) -> None:
        self._has_ended = True
        self._wake.set()

    async def send(self) -> None:
        """Send until the end."""
        while not self._has_ended or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            for line in waiting.values():
                await self._say(line)
            if self._has_ended:
                self._wake.set()
