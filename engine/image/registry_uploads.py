"""Uploads of blobs: opened, filled, closed with the digest. One that fails or is cancelled is taken back.

Owns where an upload goes on, which the registry says anew with each answer. What is sent comes from the caller, who can be asked
for it again from the beginning.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
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


@dataclass(slots=True)
class _Upload:
    """One that is open: where it goes on."""

    place: URL


class Uploads:
    """The uploads into one repository."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self._visitor = visitor
        self._path = path

    async def whole(self, raw: bytes, media_type: str) -> Descriptor:
        """Send a small blob in one piece."""
        digest = sha256_of(raw)

        async def once() -> None:
            async with self._opened() as upload:
                await self._close(upload, digest, raw)

        await patiently(self._visitor.lane.edge, once)
        return Descriptor(media_type, digest, len(raw))

    async def stream(self, open_blocks: Blocks, media_type: str) -> Descriptor:
        """Send a blob whose digest shows on the way; each attempt begins anew."""

        async def once() -> Descriptor:
            async with self._opened() as upload:
                body = await self._send(upload, open_blocks)
                await self._close(upload, body.digest, b"")
                return Descriptor(media_type, body.digest, body.size)

        return await patiently(self._visitor.lane.edge, once)

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[_Upload, None]:
        upload = _Upload(self._next_place(await self._visitor.ask(Call("POST", URL(f"/v2/{self._path}/blobs/uploads/")))))
        try:
            yield upload
        except BaseException:
            await self._take_back(upload.place)
            raise

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

    def _next_place(self, response: ClientResponse) -> URL:
        """An upload goes on where the last answer says; a place elsewhere is treated as any redirect."""
        response.close()
        location = response.headers.get("Location", "")
        if response.status not in (201, 202, 204) or not location:
            raise Unavailable(
                f"registry {self._visitor.lane.name} opens no upload: status {response.status} without a place for it"
            )
        return resolve(self._visitor.lane, response.url, location)

    async def _send(self, upload: _Upload, open_blocks: Blocks) -> "_Measured":
        stall = self._visitor.lane.edge.stall_seconds
        try:
            async with asyncio.timeout(None) as limit, open_blocks() as blocks:
                body = _Measured(blocks, limit, stall)
                await self._fill(upload, body)
        except TimeoutError as error:
            raise Transient(f"registry {self._visitor.lane.name} takes nothing of an upload for {stall:.0f} seconds") from error
        if body.failure is not None:
            raise body.failure
        return body

    async def _fill(self, upload: _Upload, body: "_Measured") -> None:
        """Some registries keep for days what was cut off, so even what is given up ends in order, if it can at once."""
        patch = asyncio.create_task(self._patch(upload, body))
        try:
            await asyncio.shield(patch)
        except asyncio.CancelledError:
            body.is_given_up = True
            await asyncio.wait((patch,), timeout=_FAREWELL_SECONDS)
            patch.cancel()
            await asyncio.gather(patch, return_exceptions=True)
            raise

    async def _patch(self, upload: _Upload, body: "_Measured") -> None:
        try:
            response = await self._visitor.ask(Call("PATCH", upload.place, _BINARY, body.pass_on, stall_seconds=0))
        except Refused as refusal:
            # A token that ran out meanwhile; there is no sending the stream again from its middle.
            raise (Transient(refusal.message) if refusal.status == 401 else refusal) from refusal
        upload.place = self._next_place(response)

    async def _close(self, upload: _Upload, digest: str, raw: bytes) -> None:
        response = await self._visitor.ask(Call("PUT", upload.place.extend_query(digest=digest), _BINARY, raw))
        response.close()
        if response.status not in (201, 202, 204):
            raise Unavailable(f"registry {self._visitor.lane.name} does not take blob {digest}: status {response.status}")

    async def _take_back(self, place: URL) -> None:
        """Best effort: a registry that is gone clears up by itself."""
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                (await self._visitor.ask(Call("DELETE", place))).close()


class _Measured:
    """What is sent: hashed on its way, and watched over. ``failure`` is the source's own."""

    def __init__(self, blocks: AsyncIterator[bytes], limit: asyncio.Timeout, stall_seconds: float) -> None:
        self.size = 0
        self.failure: Exception | None = None
        self.is_given_up = False
        self._blocks = blocks
        self._limit = limit
        self._stall_seconds = stall_seconds
        self._hasher = hashlib.sha256()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hasher.hexdigest()}"

    async def pass_on(self) -> AsyncIterator[bytes]:
        """Only what the registry takes its time for counts, not the engine's own work. A source that fails just ends."""
        self._expect(None)
        try:
            async for block in self._blocks:
                if self.is_given_up:
                    break
                self._hasher.update(block)
                self.size += len(block)
                self._expect(self._stall_seconds)
                yield block
                self._expect(None)
        except Exception as failure:  # raised again where the upload is
            self.failure = failure
        self._expect(self._stall_seconds)

    def _expect(self, seconds: float | None) -> None:
        if not self.is_given_up:
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
