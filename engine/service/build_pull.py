"""Pulling what a build needs of images, with its progress among the build's own lines."""

import asyncio
from contextlib import suppress

from engine.core.references import parse_reference, with_default_tag
from engine.core.registries import normalise_domain
from engine.service.build_session import BuildSession, Say
from engine.service.pull_image import PullRequest, pull_image
from engine.service.waiting_lines import WaitingLines


async def pull(session: BuildSession, name: str, *, platform: str) -> None:
    """Pull one image for the build's tenant. Raises NotFound, InvalidParameter, Forbidden, Unavailable, Fault."""
    images, credentials = session.engine.images, session.request.credentials
    reference = with_default_tag(parse_reference(name, default_domain=images.default_domain))
    wanted = PullRequest(reference.text, platform, credentials.get(normalise_domain(reference.domain)))
    lines = WaitingLines()
    sending = asyncio.create_task(_send(lines, session.say))
    try:
        await pull_image(session.engine, session.tenant, wanted, lines.put)
        lines.close()
        await sending
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def _send(lines: WaitingLines, say: Say) -> None:
    while taken := await lines.take():
        for line in taken:
            await say(line)
