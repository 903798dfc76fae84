"""The context of a build: read in a thread while the client sends it, and taken away however the build ends."""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import BinaryIO

from engine.build.context import BuildContext, open_context
from engine.build.request import BuildRequest
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.service.engine import Engine


@asynccontextmanager
async def opened_context(engine: Engine, tenant: Tenant, request: BuildRequest, archive: BinaryIO) -> AsyncIterator[BuildContext]:
    """Lend the context of a build. Raises InvalidParameter for a bad archive or a Dockerfile outside, Fault."""
    if posixpath.normpath(f"./{request.dockerfile}").split("/")[0] == ".." or "\0" in request.dockerfile:
        raise InvalidParameter(f"the Dockerfile ({request.dockerfile[:200]}) must be within the build context")
    lent = _lent(engine, tenant, request, archive)
    opening = asyncio.ensure_future(engine.slow.run(tenant, lent.__enter__))
    try:
        context = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(lambda _: _give_back(lent, opening))  # the thread ends when the client's body does
        raise
    try:
        yield context
    finally:
        await asyncio.to_thread(lent.__exit__, None, None, None)


@contextmanager
def _lent(engine: Engine, tenant: Tenant, request: BuildRequest, archive: BinaryIO) -> Iterator[BuildContext]:
    with engine.staging.folder(tenant) as folder, open_context(archive, folder, dockerfile=request.dockerfile) as context:
        yield context


def _give_back(lent: AbstractContextManager[BuildContext], opening: "asyncio.Future[BuildContext]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        lent.__exit__(None, None, None)
