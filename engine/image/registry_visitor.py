"""Requests of one visitor to one registry: the first meeting, signing in, redirects, and whole answers with patience.

Knows nothing of images. A first meeting finds out whether a registry is there at all, how it is spoken to and what it asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import ClientResponse
from yarl import URL

from engine.core.registries import Credentials
from engine.core.registry_answers import parse_challenge
from engine.errors import EngineError, Unavailable
from engine.image.registry_edge import Refused
from engine.image.registry_lane import Call, Lane
from engine.image.registry_patience import patiently
from engine.image.registry_redirects import follow
from engine.image.registry_tokens import authorization

MOST_JSON_BYTES = 4 * 2**20
_VERSION = "Docker-Distribution-Api-Version"
_CHALLENGE = "WWW-Authenticate"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that is no error."""

    status: int
    headers: Mapping[str, str]
    links: tuple[str, ...]
    url: URL
    body: bytes


async def meet(lane: Lane) -> None:
    """Make sure that a registry is there. Raises Unavailable, Forbidden or Transient."""
    async with lane.meeting:
        if lane.is_met:
            return
        if not lane.may_be_plain:
            await _ping(lane)
            return
        secure = lane.base
        try:
            await _ping(lane)
        except Unavailable:
            lane.base = secure.with_scheme("http").with_port(80 if secure.explicit_port is None else secure.port)
            await _ping_or_restore(lane, secure)


async def _ping_or_restore(lane: Lane, base: URL) -> None:
    try:
        await _ping(lane)
    except EngineError:
        lane.base = base
        raise


async def _ping(lane: Lane) -> None:
    try:
        response = await follow(lane, Call("GET", lane.place("/v2/"), stall_seconds=lane.edge.connect_seconds))
    except EngineError:
        if lane.hides:  # where it leads would tell what it is
            raise lane.nobody_there() from None
        raise
    response.close()
    is_registry = response.status in (200, 401) and lane.is_own(response.url)
    # Near the engine, what does not say of itself that it is a registry is told apart from nothing by nobody.
    if lane.hides and not (is_registry and _VERSION in response.headers):
        raise lane.nobody_there()
    if response.status >= 500 or response.status == 429:
        await lane.checked(response)
    if not is_registry:
        raise Unavailable(f"no registry answers at {lane.name}: status {response.status} for /v2/")
    lane.challenge = parse_challenge(response.headers.getall(_CHALLENGE, ())) if response.status == 401 else None
    lane.is_met = True


@dataclass(frozen=True, slots=True)
class Visitor:
    """``scopes`` are what a token is asked for, as ``repository:name:pull``."""

    lane: Lane
    credentials: Credentials | None
    scopes: tuple[str, ...] = ()

    async def ask(self, call: Call) -> ClientResponse:
        """Send one request, signed; return the answer's head, which the caller closes. Raises Transient and Refused."""
        await meet(self.lane)
        placed = call if call.url.host else replace(call, url=self.lane.place(str(call.url)))
        response = await self._signed(placed, is_fresh=False)
        if response.status == 401 and not callable(call.body) and self._is_challenged(response):
            response.close()
            response = await self._signed(placed, is_fresh=True)
        return await self.lane.checked(response)

    async def _signed(self, call: Call, *, is_fresh: bool) -> ClientResponse:
        if not self.lane.is_own(call.url):
            return await follow(self.lane, call)
        header = await authorization(self.lane, self.credentials, self._wanted(), is_fresh=is_fresh)
        signed = {**call.headers, "Authorization": header} if header else call.headers
        return await follow(self.lane, replace(call, headers=signed))

    def _wanted(self) -> tuple[str, ...]:
        """What is needed, and what the registry itself named, as for its catalog."""
        challenge = self.lane.challenge
        if self.scopes or challenge is None:
            return self.scopes
        return tuple(challenge.parameters.get("scope", "").split())

    def _is_challenged(self, response: ClientResponse) -> bool:
        """Take up a challenge that comes late; no use where the same credentials would only be shown again."""
        challenge = parse_challenge(response.headers.getall(_CHALLENGE, ()))
        if challenge is None or not self.lane.is_own(response.url):
            return False
        is_new = self.lane.challenge is None
        self.lane.challenge = challenge
        return is_new or challenge.scheme == "bearer"

    async def answer(self, call: Call, *, most: int = MOST_JSON_BYTES) -> Answer:
        """Send a request until it is answered, and read the answer whole."""
        return await patiently(self.lane.edge, lambda: self._answer(call, most))

    async def _answer(self, call: Call, most: int) -> Answer:
        response = await self.ask(call)
        try:
            body = b"" if call.method == "HEAD" else await self.lane.body(response, most)
            links = tuple(response.headers.getall("Link", ()))
            return Answer(response.status, response.headers, links, response.url, body)
        finally:
            response.close()

    async def is_there(self, call: Call) -> bool:
        """Whether something exists; raises what else goes wrong."""
        try:
            await self.answer(call)
        except Refused as refusal:
            if refusal.status == 404:
                return False
            raise
        return True
