"""One repository of a registry as one tenant with its credentials may use it: manifests, blobs, uploads.

Turns a registry's refusals into the engine's kinds of error, in the words that clients look for.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from yarl import URL

from engine.core.digests import is_digest, sha256_of
from engine.core.manifests import ACCEPTED, MOST_MANIFEST_BYTES, OCI_LAYER, Descriptor, manifest_type
from engine.errors import EngineError, Forbidden, NotFound, Unauthorized, Unavailable
from engine.image.registry_blobs import Download, Source
from engine.image.registry_edge import MirrorLied, Refused
from engine.image.registry_lane import Call
from engine.image.registry_search import pages
from engine.image.registry_uploads import Blocks, Uploads
from engine.image.registry_visitor import Answer, Visitor

log = logging.getLogger(__name__)
_ACCEPT = {"Accept": ", ".join(ACCEPTED)}
_DIGEST = "Docker-Content-Digest"


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """A manifest or an index as it came, of a kind that is read here; ``digest`` is that of ``raw``."""

    raw: bytes
    media_type: str
    digest: str


class Repository:
    """``domain`` and ``path`` are those of the reference, ``docker.io`` and ``library/…`` written out."""

    def __init__(self, domain: str, path: str, *, name: str, sources: list[Source], pushes: bool) -> None:
        """``sources``: the mirrors, and the registry itself last. ``name`` is how people call the repository."""
        self.domain = domain
        self.path = path
        self.name = name
        self._mirrors, self._origin = sources[:-1], sources[-1]
        self._pushes = pushes
        self._uploads = Uploads(self._origin.visitor, path)

    @property
    def _visitor(self) -> Visitor:
        return self._origin.visitor

    async def manifest(self, tag_or_digest: str) -> FetchedManifest:
        """Fetch a manifest. Raises NotFound, Unauthorized, InvalidParameter (a kind that is not read) and Unavailable."""
        for mirror in self._usable_mirrors():
            try:
                return await self._manifest(mirror, tag_or_digest)
            except EngineError as failure:
                self._pass_over(mirror, failure)
        try:
            return await self._manifest(self._origin, tag_or_digest)
        except Refused as refusal:
            raise self._translated(refusal, f"manifest for {self._with(tag_or_digest)} not found: {refusal.message}") from refusal

    def _usable_mirrors(self) -> list[Source]:
        return [] if self._pushes else [mirror for mirror in self._mirrors if not mirror.visitor.lane.is_avoided]

    def _pass_over(self, mirror: Source, failure: EngineError) -> None:
        if not isinstance(failure, Refused):
            mirror.visitor.lane.avoid()
        log.warning("mirror %s does not give %s, the registry is asked: %s", mirror.name, self.name, failure.message)

    async def tags(self, *, most: int) -> list[str]:
        """List the tags as the registry, or a mirror, writes them, a page more than ``most`` at the utmost. Raises NotFound."""
        for mirror in self._usable_mirrors():
            try:
                return await self._tags(mirror, most)
            except EngineError as failure:
                self._pass_over(mirror, failure)
        try:
            return await self._tags(self._origin, most)
        except Refused as refusal:
            raise self._translated(refusal, f"repository {self.name} not found: {refusal.message}") from refusal

    async def _tags(self, source: Source, most: int) -> list[str]:
        found: list[str] = []
        async with aclosing(pages(source.visitor, f"/v2/{source.path}/tags/list", "tags")) as listed:
            async for names in listed:
                found += names
                if len(found) > most:
                    break
        return found

    async def _manifest(self, source: Source, tag_or_digest: str) -> FetchedManifest:
        call = Call("GET", URL(f"/v2/{source.path}/manifests/{tag_or_digest}"), _ACCEPT)
        answer = await source.visitor.answer(call, most=MOST_MANIFEST_BYTES)
        media_type = manifest_type(answer.body, answer.headers.get("Content-Type", ""))
        digest, told = sha256_of(answer.body), answer.headers.get(_DIGEST, "")
        due = tag_or_digest if is_digest(tag_or_digest) else told
        if is_digest(due) and digest != due:
            raise Unavailable(
                f"the manifest that {source.name} sent for {self._with(tag_or_digest)} has another digest: {digest}"
            )
        return FetchedManifest(answer.body, media_type, digest)

    @asynccontextmanager
    async def blob(self, descriptor: Descriptor) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Open a blob. Its bytes end only where size and digest are right; raises MirrorLied where another try goes well."""
        download = Download([*self._usable_mirrors(), self._origin], descriptor)
        async with aclosing(self._told(download.blocks(), descriptor.digest)) as blocks:
            yield blocks

    async def _told(self, blocks: AsyncGenerator[bytes, None], digest: str) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(blocks):
                async for block in blocks:
                    yield block
        except Refused as refusal:
            raise self._translated(refusal, f"blob {digest} of {self.name} not found: {refusal.message}") from refusal

    async def blob_bytes(self, descriptor: Descriptor, *, most: int) -> bytes:
        """Fetch a small blob whole."""
        if descriptor.size > most:
            raise Unavailable(f"blob {descriptor.digest} of {self.name} is too long: {descriptor.size} bytes, {most} at most")
        try:
            return await self._blob_bytes(descriptor)
        except MirrorLied:  # it is left out now
            return await self._blob_bytes(descriptor)

    async def _blob_bytes(self, descriptor: Descriptor) -> bytes:
        found = bytearray()
        async with self.blob(descriptor) as blocks:
            async for block in blocks:
                found += block
        return bytes(found)

    async def has_blob(self, digest: str) -> bool:
        """Whether the registry itself has a blob in this repository."""
        try:
            return await self._visitor.is_there(Call("HEAD", URL(f"/v2/{self.path}/blobs/{digest}")))
        except Refused as refusal:
            raise self._denied(refusal) from refusal

    async def mount_blob(self, digest: str, from_path: str) -> bool:
        """Take over a blob of another repository of this registry, if it lets us; ``from_path`` as :attr:`path` is written."""
        scopes = (*self._visitor.scopes, f"repository:{from_path}:pull")
        try:
            return await Uploads(Visitor(self._visitor.lane, self._visitor.credentials, scopes), self.path).mount(
                digest, from_path
            )
        except Unauthorized:
            return False

    async def upload_blob(self, open_blocks: Blocks, *, media_type: str = OCI_LAYER) -> Descriptor:
        """Send a blob, from its start again where a connection is cut."""
        try:
            return await self._uploads.stream(open_blocks, media_type)
        except Refused as refusal:
            raise self._denied(refusal) from refusal

    async def upload_bytes(self, raw: bytes, media_type: str) -> Descriptor:
        """Send a small blob, such as a configuration."""
        try:
            return await self._uploads.whole(raw, media_type)
        except Refused as refusal:
            raise self._denied(refusal) from refusal

    async def put_manifest(self, tag_or_digest: str, raw: bytes, media_type: str) -> str:
        """Store a manifest under a tag or its digest; return its digest."""
        call = Call("PUT", URL(f"/v2/{self.path}/manifests/{tag_or_digest}"), {"Content-Type": media_type}, raw)
        try:
            answer = await self._visitor.answer(call)
        except Refused as refusal:
            raise self._denied(refusal) from refusal
        return self._checked_digest(answer, sha256_of(raw))

    def _checked_digest(self, answer: Answer, digest: str) -> str:
        told = answer.headers.get(_DIGEST, digest)
        if is_digest(told) and told != digest:
            raise Unavailable(f"registry {self.domain} has stored another manifest for {self.name} than {digest}")
        return digest

    def _with(self, tag_or_digest: str) -> str:
        return f"{self.name}{'@' if is_digest(tag_or_digest) else ':'}{tag_or_digest}"

    def _translated(self, refusal: Refused, missing: str) -> EngineError:
        if refusal.is_denial and not self._pushes:
            advice = "repository does not exist or may require 'docker login'"
            return NotFound(f"pull access denied for {self.name}, {advice}: {refusal.message}")
        return NotFound(missing) if refusal.status == 404 else self._denied(refusal)

    def _unauthorized(self, refusal: Refused) -> str:
        """An answer without a body says nothing itself; these are the words that clients look for."""
        if refusal.codes or self._visitor.credentials:
            return refusal.message if refusal.codes else "unauthorized: authentication required"
        return "no basic auth credentials"

    def _denied(self, refusal: Refused) -> EngineError:
        if refusal.status == 401:
            return Unauthorized(self._unauthorized(refusal))
        if refusal.status == 403:
            return Forbidden(refusal.message)
        kind = NotFound if refusal.status == 404 else Unavailable
        return kind(f"registry {self.domain} refuses {self.name}: {refusal.message}")
