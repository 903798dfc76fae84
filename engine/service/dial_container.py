"""Dial: a stream of bytes to a TCP port inside a container, whatever networks it has.

Owns finding who listens, and the pumping both ways. The connection is made from inside the container's own network namespace, so
nothing of the host or of another container can be reached by it.
"""

import asyncio
import errno
import socket
from typing import Protocol

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.lifecycle import State
from engine.core.tenants import Tenant
from engine.errors import Conflict, InvalidParameter, reason_of
from engine.runtime.process import Process
from engine.service.engine import Engine

CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 65_536


class DialClient(Protocol):
    """The other end of a hijacked connection."""

    async def read(self) -> bytes:
        """Return what comes next; b"" when the client sends no more."""

    async def write(self, data: bytes) -> None:
        """Send. Raises ConnectionError when the client is gone."""

    def half_close(self) -> None:
        """Tell the client that nothing more comes."""

    async def gone(self) -> None:
        """Wait until the client has hung up altogether."""


class Dialled:
    """A connection into a container. Run or close it."""

    def __init__(self, process: Process, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._process = process
        self._reader, self._writer = streams

    async def run(self, client: DialClient) -> None:
        """Pump until both sides have said all, one of them is gone, or the container has ended. Closes the connection."""
        both = asyncio.gather(self._inward(client), self._outward(client))
        ends = {asyncio.ensure_future(end) for end in (both, client.gone(), self._process.ended.wait())}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Hang up: a socket that stayed would keep the container's network namespace alive."""
        self._writer.transport.abort()

    async def _inward(self, client: DialClient) -> None:
        while data := await client.read():
            self._writer.write(data)
            await self._writer.drain()
        self._writer.write_eof()

    async def _outward(self, client: DialClient) -> None:
        while data := await self._reader.read(_CHUNK_BYTES):
            await client.write(data)
        client.half_close()


def find_dialled(engine: Engine, tenant: Tenant, name: str) -> ContainerRecord:
    """Return a container that can be dialled. Raises NotFound, Conflict."""
    record = engine.containers.find(tenant, name)
    if record.run.state is not State.RUNNING:
        raise Conflict(f"container {short_id(record.container_id)} is {record.run.state}: only a running one can be dialled")
    return record


async def dial_container(engine: Engine, record: ContainerRecord, *, port: int | None) -> Dialled:
    """Connect to a port: on the loopback address, then on the container's own. Raises InvalidParameter, Conflict, Fault."""
    if port is None or not 0 < port < 65_536:
        raise InvalidParameter(f"invalid port {'' if port is None else port}: use 1 to 65535")
    process = engine.process(record.container_id)
    if process is None:
        raise Conflict(f"container {short_id(record.container_id)} is not running")
    reason = ""
    for family, address in _addresses(engine, record):
        try:
            return Dialled(process, await _connect(engine, record.container_id, family, address, port))
        except TimeoutError:
            reason = reason or "it does not answer"
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                reason = reason or reason_of(error)
    raise Conflict(
        f"cannot connect to port {port} of container {record.name}: {reason or 'connection refused, nothing listens there'}"
    )


def _addresses(engine: Engine, record: ContainerRecord) -> list[tuple[str, str]]:
    endpoint = engine.network.endpoint(record.container_id)
    own = [("ipv4", endpoint.address)] if endpoint is not None and endpoint.address else []
    return [("ipv4", "127.0.0.1"), *own, ("ipv6", "::1")]


async def _connect(
    engine: Engine, container_id: str, family: str, address: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket(fileno=await engine.supervisor.open_socket(container_id, family))
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        return await asyncio.open_connection(sock=sock, limit=_CHUNK_BYTES)
    except BaseException:
        sock.close()
        raise
