"""The connections of one tenant to one registry, and to wherever that registry sends it.

Owns what may be connected to: the address is checked when the socket is made, so no name can change its mind in between.
Connections are shared by the requests of a lane and by nobody else. Sends one request; follows nothing, repeats nothing.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from engine.core.address_kinds import AddressKind, is_loopback_host, may_lead_to
from engine.core.registry_answers import Challenge, parse_errors, parse_retry_after, shown
from engine.errors import EngineError, Forbidden, Unavailable
from engine.image.registry_edge import Edge, Refused, Transient
from engine.image.registry_tls import Certificates

_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_MOST_ERROR_BYTES = 64 * 2**10
_AVOIDED_SECONDS = 300.0
_MOST_CONTEXTS = 16
_HEADERS = {"User-Agent": "atelier-engine", "Accept-Encoding": "identity"}
AddressInfo = tuple[Any, ...]


class AddressRefused(OSError):
    """An address that may not be connected to."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request. ``body`` is bytes, which can be sent again, or makes a stream once."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Callable[[], AsyncIterator[bytes]] | None = None
    stall_seconds: float | None = None  # None: the edge's; 0: the body watches over its own progress


class Lane:
    """``is_trusted``: an administrator's own, or one of the settings' mirrors."""

    def __init__(
        self,
        base: URL,
        *,
        name: str,
        edge: Edge,
        certificates: Certificates,
        resolver: AbstractResolver,
        is_trusted: bool,
        may_be_plain: bool = False,
    ) -> None:
        """``name`` is how messages call the registry. The scheme of ``base`` is open while ``may_be_plain`` and it is not met."""
        self.base = base
        self.name = name
        self.edge = edge
        self.is_trusted = is_trusted
        self.may_be_plain = may_be_plain
        self.is_met = False
        self.challenge: Challenge | None = None
        self.meeting = asyncio.Lock()
        self.signing = asyncio.Lock()
        self.tokens: dict[tuple[object, ...], tuple[str, float]] = {}
        self._is_closed = False
        self._avoided_until = 0.0
        self.certificates = certificates
        self._resolver = resolver
        self._contexts: dict[tuple[str | None, int | None], ssl.SSLContext] = {}
        self._kinds: set[AddressKind] = set()  # where the registry was found to lie
        self._own: ClientSession | None = None
        self._given: ClientSession | None = None

    @property
    def host(self) -> str:
        return self.base.host or ""

    def is_own(self, url: URL) -> bool:
        """Whether an address is the registry's itself: host and port, not what it resolves to."""
        return (url.host, url.port) == (self.base.host, self.base.port)

    @property
    def is_avoided(self) -> bool:
        """Whether this mirror has failed or lied lately."""
        return asyncio.get_running_loop().time() < self._avoided_until

    def avoid(self) -> None:
        self._avoided_until = asyncio.get_running_loop().time() + _AVOIDED_SECONDS

    def place(self, path: str) -> URL:
        """Return the address of a path on this registry."""
        return URL(str(self.base).rstrip("/") + path, encoded=True)

    async def send(self, call: Call) -> ClientResponse:
        """Send a request and return the answer's head; the caller closes it. Raises Transient, Unavailable or Forbidden."""
        if self._is_closed:
            raise Unavailable(f"registry {self.name} was left: the engine stops, or too many registries are used at once")
        session = self._session(call.url)
        stall = self.edge.stall_seconds if call.stall_seconds is None else call.stall_seconds
        timeout = ClientTimeout(
            total=None, connect=2 * self.edge.connect_seconds, sock_connect=self.edge.connect_seconds, sock_read=stall or None
        )
        try:
            return await session.request(
                call.method,
                call.url,
                headers={**_HEADERS, **call.headers},
                data=call.body() if callable(call.body) else call.body,
                allow_redirects=False,
                timeout=timeout,
                ssl=await self._context(call.url),
            )
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            raise self.failure(error, call.url) from error

    async def _context(self, url: URL) -> ssl.SSLContext | bool:
        if url.scheme != "https":
            return True
        key = url.host, url.port
        context = self._contexts.get(key) or await self.certificates.context(url.host or "", url.port or 0)
        if self.is_met and len(self._contexts) < _MOST_CONTEXTS:  # before, an administrator may still be adding certificates
            self._contexts[key] = context
        return context

    def _session(self, url: URL) -> ClientSession:
        if self.is_own(url):
            self._own = self._own or self._new_session(self._own_socket)
            return self._own
        self._given = self._given or self._new_session(self._given_socket)
        return self._given

    def _new_session(self, make_socket: Callable[[AddressInfo], socket.socket]) -> ClientSession:
        connector = TCPConnector(socket_factory=make_socket, resolver=self._resolver, use_dns_cache=False, limit=0)
        return ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar(), trust_env=False, read_bufsize=256 * 2**10
        )

    def _own_socket(self, info: AddressInfo) -> socket.socket:
        kind = self.edge.kind_of(info[4][0])
        if kind is AddressKind.FORBIDDEN and not self.is_trusted:
            raise AddressRefused("no registry may be there")
        self._kinds.add(kind)
        return socket.socket(info[0], info[1], info[2])

    def _given_socket(self, info: AddressInfo) -> socket.socket:
        # A name that has once been public stays so: it gains nothing by resolving to this machine later.
        registry = min(self._kinds, default=AddressKind.PUBLIC)
        if not may_lead_to(self.edge.kind_of(info[4][0]), registry=registry, is_trusted=self.is_trusted):
            raise AddressRefused("no registry may lead there")
        return socket.socket(info[0], info[1], info[2])

    @property
    def hides(self) -> bool:
        """Whether this tenant shall not learn what is there: near the engine, until a registry has shown itself.

        A name that lies now here, now there shows nothing.
        """
        is_near = is_loopback_host(self.host) or self._kinds - {AddressKind.PUBLIC}
        return bool(not self.is_trusted and is_near and (not self.is_met or len(self._kinds) > 1))

    def failure(self, error: BaseException, url: URL) -> EngineError:
        """Say what went wrong with a connection, without telling a tenant what else listens near the engine."""
        if not self.is_own(url):
            return self._failure_elsewhere(error, url)
        if isinstance(error, ClientConnectorError) and isinstance(error.os_error, AddressRefused):
            return Forbidden(f"registry {self.name} lies at an address where no registry may be")
        if self.hides:
            return self.nobody_there()
        if isinstance(error, ClientSSLError | ssl.SSLError):
            return Unavailable(f"no secure connection to registry {self.name}: {shown(str(error))}")
        # Nobody waits for a registry that has never been there.
        kind = Transient if self.is_met else Unavailable
        return kind(f"cannot reach registry {self.name}: {_reason(error)}")

    def nobody_there(self) -> EngineError:
        """The one text for whatever is wrong with a registry near the engine before it has shown that it is one."""
        kind = Transient if self.is_met else Unavailable
        return kind(f"cannot reach registry {self.name}: no registry answers there")

    def _failure_elsewhere(self, error: BaseException, url: URL) -> EngineError:
        place = shown(f"{url.host}:{url.port}", 100)
        message = f"registry {self.name} leads to {place}, which cannot be reached"
        if isinstance(error, ClientConnectorError) and isinstance(error.os_error, AddressRefused):
            return Forbidden(message)
        if isinstance(error, ClientConnectorSSLError | ssl.SSLError | ValueError):
            return Unavailable(message)
        return Transient(message)

    async def checked(self, response: ClientResponse) -> ClientResponse:
        """Return an answer that is no error; closes it and raises Transient or Refused otherwise."""
        if response.status < 400:
            return response
        try:
            errors = parse_errors(await self._error_body(response), status=response.status)
        finally:
            response.close()
        if response.status in _PASSING:
            asked = parse_retry_after(response.headers.get("Retry-After", ""), now=datetime.now(UTC))
            raise Transient(f"registry {self.name} is not able to answer now: {errors.text}", wait_seconds=asked)
        raise Refused(errors.text, status=response.status, codes=errors.codes)

    async def _error_body(self, response: ClientResponse) -> bytes:
        try:
            return await self.body(response, _MOST_ERROR_BYTES)
        except EngineError:
            return b""

    async def body(self, response: ClientResponse, most: int) -> bytes:
        """Read a whole body; raises Unavailable where it is longer than ``most``."""
        if encoding := response.headers.get("Content-Encoding", ""):
            raise Unavailable(f"registry {self.name} answers in the encoding {shown(encoding, 40)!r}, which nobody asked for")
        found = bytearray()
        try:
            async with asyncio.timeout(self.edge.stall_seconds):
                async for block in response.content.iter_any():
                    found += block
                    if len(found) > most:
                        raise Unavailable(f"registry {self.name} answers with more than {most} bytes where less is due")
        except (ClientError, OSError, TimeoutError) as error:
            raise self.failure(error, response.url) from error
        return bytes(found)

    async def close(self) -> None:
        """Close all connections, for good."""
        self._is_closed = True
        for session in (self._own, self._given):
            if session is not None:
                await session.close()
        self._own = self._given = None


def _reason(error: BaseException) -> str:
    """Our own words where the library would repeat addresses or the registry."""
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, ClientConnectorError):
        number, text = error.os_error.errno, error.os_error.strerror
        return os.strerror(number).lower() if number and number > 0 else shown(text or str(error.os_error)).lower()
    if isinstance(error, ClientPayloadError | ServerDisconnectedError):
        return "it cuts the connection"
    if isinstance(error, ClientResponseError):
        return "its answer is not http"
    return shown(str(error) or type(error).__name__).lower()
