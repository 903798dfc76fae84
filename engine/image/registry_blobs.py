"""Downloads of blobs: one stream out of as many connections as it takes, its size and digest checked on the way.

Owns resuming and what a registry may not do while it sends; where the bytes go is the reader's affair, who slows the connection.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import ClientError, ClientResponse
from yarl import URL

from engine.core.manifests import Descriptor
from engine.core.registry_answers import parse_content_range, shown
from engine.errors import EngineError, Unavailable
from engine.image.registry_edge import MirrorLied, Refused, Transient
from engine.image.registry_lane import Call
from engine.image.registry_patience import pause
from engine.image.registry_visitor import Visitor

log = logging.getLogger(__name__)
_PROGRESS_BYTES = 2**20  # so much more, and the registry has earned all its attempts again


@dataclass(frozen=True, slots=True)
class Source:
    """Where a blob can be had: the registry itself, or a mirror of it. ``path`` is the repository's."""

    visitor: Visitor
    path: str
    is_mirror: bool = False

    @property
    def name(self) -> str:
        return self.visitor.lane.name


class Download:
    """One blob on its way. ``sources``: mirrors first, the registry last."""

    def __init__(self, sources: Sequence[Source], descriptor: Descriptor) -> None:
        self._sources = list(sources)
        self._blob = descriptor
        self._done = 0
        self._hasher = hashlib.sha256()
        self._mirrors: list[Source] = []

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes; raises Unavailable instead of ending where they are not the blob's."""
        attempt, kept = 0, 0
        while True:
            try:
                async with aclosing(self._one_connection()) as received:
                    async for block in received:
                        yield block
                break
            except MirrorLied:
                raise
            except EngineError as failure:
                if self._leaves_mirror(failure):
                    continue
                if self._done >= kept + _PROGRESS_BYTES:
                    attempt, kept = 0, self._done
                attempt += 1
                await self._before_another(attempt, failure)
        self._check_digest()

    def _leaves_mirror(self, failure: EngineError) -> bool:
        source = self._sources[0]
        if not source.is_mirror:
            return False
        if not isinstance(failure, Refused):
            source.visitor.lane.avoid()
        log.warning("mirror %s did not give blob %s: %s", source.name, self._blob.digest, failure.message)
        del self._sources[0]
        return True

    async def _before_another(self, attempt: int, failure: EngineError) -> None:
        edge = self._sources[0].visitor.lane.edge
        if not isinstance(failure, Transient) or attempt >= edge.attempts:
            raise failure
        await pause(edge, attempt, failure)

    async def _one_connection(self) -> AsyncGenerator[bytes, None]:
        source = self._sources[0]
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        response = await source.visitor.ask(Call("GET", URL(f"/v2/{source.path}/blobs/{self._blob.digest}"), headers))
        try:
            skipped = self._to_skip(source, response)
            self._check_length(source, response, skipped)
            async with aclosing(self._received(source, response)) as received:
                async for block in received:
                    fresh, skipped = block[skipped:], max(skipped - len(block), 0)
                    if fresh:
                        self._take(source, fresh)
                        yield fresh
            if self._done < self._blob.size:
                raise Transient(self._told(source, f"ended after {self._done} of {self._blob.size} bytes"))
        finally:
            response.close()

    def _to_skip(self, source: Source, response: ClientResponse) -> int:
        """A registry that knows no ranges sends all again: what was handed on is passed over."""
        if encoding := response.headers.get("Content-Encoding", ""):
            raise Unavailable(self._told(source, f"comes in the encoding {shown(encoding, 40)!r}, which nobody asked for"))
        if response.status == 200:
            return self._done
        start = parse_content_range(response.headers.get("Content-Range", ""))
        if response.status != 206 or start != self._done:
            raise Unavailable(self._told(source, f"was asked for from byte {self._done}; the answer is something else"))
        return 0

    def _check_length(self, source: Source, response: ClientResponse, skipped: int) -> None:
        due = self._blob.size - self._done + skipped
        if response.content_length is not None and response.content_length != due:
            raise Unavailable(self._told(source, f"is announced with {response.content_length} bytes, {due} are due"))

    async def _received(self, source: Source, response: ClientResponse) -> AsyncGenerator[bytes, None]:
        """Only waiting for the registry counts as its slowness, not the time that the reader takes."""
        edge = source.visitor.lane.edge
        now = asyncio.get_running_loop().time
        waited, received = 0.0, 0
        while True:
            begun = now()
            try:
                block = await response.content.readany()
            except (ClientError, OSError, TimeoutError) as error:
                raise source.visitor.lane.failure(error, response.url) from error
            if not block:
                return
            waited, received = waited + now() - begun, received + len(block)
            if waited > edge.stall_seconds:
                if received < edge.least_bytes:
                    raise Transient(self._told(source, f"comes too slowly: {received} bytes in {waited:.0f} seconds"))
                waited, received = 0.0, 0
            yield block

    def _take(self, source: Source, block: bytes) -> None:
        self._done += len(block)
        if source.is_mirror and source not in self._mirrors:
            self._mirrors.append(source)
        if self._done > self._blob.size:
            raise self._lie(source, f"is longer than the {self._blob.size} bytes that its manifest says")
        self._hasher.update(block)

    def _check_digest(self) -> None:
        found = f"sha256:{self._hasher.hexdigest()}"
        if found != self._blob.digest:
            raise self._lie(self._sources[0], f"has another digest: {found}")

    def _lie(self, source: Source, what: str) -> EngineError:
        """Which of several has lied cannot be told: then it was a mirror."""
        for mirror in self._mirrors:
            log.warning("mirror %s is left out for a while: blob %s %s", mirror.name, self._blob.digest, what)
            mirror.visitor.lane.avoid()
        return (MirrorLied if self._mirrors else Unavailable)(self._told(source, what))

    def _told(self, source: Source, what: str) -> str:
        return f"blob {self._blob.digest} of {source.name}/{source.path} {what}"
