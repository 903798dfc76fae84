"""Uploads of blobs: opened, filled, closed with the digest. One that fails or is cancelled is taken back.

Owns where an upload goes on, which the registry says anew with each answer. What is sent comes from the caller, who can be asked
for it again from the beginning.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass

from aiohttp import ClientResponse
from yarl import URL

from engine.core.digests import sha256_of
from engine.core.manifests import Descriptor
from engine.errors import EngineError, Unavailable
from engine.image.registry_edge import Refused, Transient
from engine.image.registry_lane import Call
from engine.image.registry_patience import patiently
from engine.image.registry_redirects import resolve
from engine.image.registry_visitor import Visitor

Blocks = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
_BINARY = {"Content-Type": "application/octet-stream"}
_FAREWELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What has gone through: where the upload goes on, and what was in it."""

    place: URL
    digest: str
    size: int


class Uploads:
    """The uploads into one repository."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self._visitor = visitor
        self._path = path

    async def whole(self, raw: bytes, media_type: str) -> Descriptor:
        """Send a small blob in one piece."""
        digest = sha256_of(raw)

        async def once() -> None:
            place = await self._open()
            try:
                await self._close(place, digest, raw)
            except BaseException:
                await self._take_back(place)
                raise

        await patiently(self._visitor.lane.edge, once)
        return Descriptor(media_type, digest, len(raw))

    async def stream(self, open_blocks: Blocks, media_type: str) -> Descriptor:
        """Send a blob whose digest shows on the way; each attempt begins anew."""

        async def once() -> Sent:
            place = await self._open()
            try:
                sent = await self._send(place, open_blocks)
                place = sent.place
                await self._close(place, sent.digest, b"")
            except BaseException:
                await self._take_back(place)
                raise
            return sent

        sent = await patiently(self._visitor.lane.edge, once)
        return Descriptor(media_type, sent.digest, sent.size)

    async def mount(self, digest: str, from_path: str) -> bool:
        """Take over a blob of another repository of this registry; False where it does not."""
        query = URL.build(query={"mount": digest, "from": from_path}).raw_query_string
        call = Call("POST", URL(f"/v2/{self._path}/blobs/uploads/?{query}", encoded=True))
        try:
            answer = await self._visitor.answer(call)
        except Refused:
            return False
        if answer.status == 201:
            return True
        with suppress(EngineError):
            await self._take_back(resolve(self._visitor.lane, answer.url, answer.headers.get("Location", "")))
        return False

    async def _open(self) -> URL:
        response = await self._visitor.ask(Call("POST", URL(f"/v2/{self._path}/blobs/uploads/")))
        return self._next_place(response)

    def _next_place(self, response: ClientResponse) -> URL:
        """An upload goes on where the last answer says; a place elsewhere is treated as any redirect."""
        response.close()
        location = response.headers.get("Location", "")
        if response.status not in (201, 202, 204) or not location:
            raise Unavailable(
                f"registry {self._visitor.lane.name} opens no upload: status {response.status} without a place for it"
            )
        return resolve(self._visitor.lane, response.url, location)

    async def _send(self, place: URL, open_blocks: Blocks) -> Sent:
        hasher, size = hashlib.sha256(), 0
        loop, stall = asyncio.get_running_loop(), self._visitor.lane.edge.stall_seconds
        try:
            async with asyncio.timeout(None) as limit, open_blocks() as blocks:

                async def measured() -> AsyncIterator[bytes]:
                    nonlocal size
                    limit.reschedule(None)  # what the engine itself takes its time for is not the registry's fault
                    async for block in blocks:
                        hasher.update(block)
                        size += len(block)
                        limit.reschedule(loop.time() + stall)
                        yield block
                        limit.reschedule(None)
                    limit.reschedule(loop.time() + stall)

                response = await self._visitor.ask(Call("PATCH", place, _BINARY, measured, stall_seconds=0))
        except TimeoutError as error:
            raise Transient(f"registry {self._visitor.lane.name} takes nothing of an upload for {stall:.0f} seconds") from error
        except Refused as refusal:
            # A token that ran out meanwhile; there is no sending the stream again from its middle.
            raise (Transient(refusal.message) if refusal.status == 401 else refusal) from refusal
        return Sent(self._next_place(response), f"sha256:{hasher.hexdigest()}", size)

    async def _close(self, place: URL, digest: str, raw: bytes) -> None:
        response = await self._visitor.ask(Call("PUT", place.extend_query(digest=digest), _BINARY, raw))
        response.close()
        if response.status not in (201, 202, 204):
            raise Unavailable(f"registry {self._visitor.lane.name} does not take blob {digest}: status {response.status}")

    async def _take_back(self, place: URL) -> None:
        """Best effort: a registry that is gone clears up by itself."""
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                (await self._visitor.ask(Call("DELETE", place))).close()
