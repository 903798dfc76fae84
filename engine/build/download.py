"""ADD of an address: one file fetched by http or https, bounded in size and time, never from where a tenant may not look.

The address is checked when the socket is made, for redirects as well, so no name can change its mind in between. Proxies of the
daemon's environment are not used: they would hide where a request ends. Unpacks nothing.
"""

import asyncio
import contextlib
import hashlib
import os
import posixpath
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from engine.build.sources import Source, Sources
from engine.build.tree import folder_tree
from engine.core.address_kinds import AddressKind
from engine.core.destinations import Reach, reaches
from engine.core.tenants import Tenant
from engine.errors import Fault, Forbidden, InvalidParameter, Unavailable, reason_of
from engine.image.registry_edge import Edge
from engine.image.registry_lane import AddressInfo, AddressRefused
from engine.image.settled import settled

_FILE = "download"
_MOST_BYTES = 8 << 30
_MOST_SECONDS = 3600.0
_MOST_REDIRECTS = 10
_BLOCK_BYTES = 1 << 20
_HEADERS = {"User-Agent": "atelier-engine", "Accept-Encoding": "identity"}
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_GIT = re.compile(r"(git|ssh)://|git@[^/]+:|https?://[^#?]*\.git(#|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Download:
    """A file in ``folder``; ``name`` is what it is called below a destination that is a folder."""

    folder: Path
    name: str

    @contextlib.contextmanager
    def sources(self, *, unpacks: bool = False) -> Iterator[Sources]:
        """Lend it as a source, which is an archive to be unpacked only where that is said."""
        with folder_tree(self.folder) as tree:
            yield Sources((Source(tree, _FILE, self.name, is_folder=False, can_be_unpacked=unpacks),))


def is_url(source: str) -> bool:
    """Whether a source of ADD is fetched. Raises InvalidParameter for a Git repository."""
    if _GIT.match(source):
        raise InvalidParameter(f"ADD failed: {source[:200]} is a Git repository: put its files into the context")
    return source.startswith(("http://", "https://"))


async def download(
    url: str,
    *,
    staging: Path,
    destination: str,
    tenant: Tenant,
    checksum: str = "",
    most_bytes: int = _MOST_BYTES,
    edge: Edge | None = None,
    reach: Reach = None,
) -> Download:
    """Fetch a file into ``staging``, an empty folder that its owner removes.

    A tenant is given public addresses only, and of those what is within ``reach``. ``checksum`` is ``sha256:…`` or empty.
    Raises InvalidParameter, Forbidden, Unavailable for what cannot be reached, Fault for a failing disk.
    """
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise InvalidParameter(f"ADD failed: invalid checksum {checksum[:100]!r}: use sha256: and 64 hexadecimal digits")
    shown = url[:200]
    edge = edge or Edge()
    try:
        async with (
            asyncio.timeout(_MOST_SECONDS),
            _session(tenant, edge, reach) as session,
            _answer(session, url, edge) as response,
        ):
            name = _name(response, URL(url))
            if not name and destination.endswith("/"):
                raise InvalidParameter(f"ADD failed: cannot determine filename for source {shown}")
            await _keep(response, staging / _FILE, shown=shown, checksum=checksum, most_bytes=most_bytes)
            return Download(staging, name or "__unnamed__")
    except ClientConnectorError as error:
        if isinstance(error.os_error, AddressRefused):
            raise Forbidden(f"ADD failed: {shown} leads to an address that {error.os_error}") from error
        raise Unavailable(f"ADD failed: cannot reach {shown}: {reason_of(error.os_error)}") from error
    except (ClientError, TimeoutError, ValueError) as error:
        reason = "it does not answer in time" if isinstance(error, TimeoutError) else str(error)[:200] or type(error).__name__
        raise Unavailable(f"ADD failed: cannot fetch {shown}: {reason}") from error
    except OSError as error:
        raise Fault(f"ADD failed: cannot keep {shown}: {reason_of(error)}") from error


def _session(tenant: Tenant, edge: Edge, reach: Reach) -> ClientSession:
    def make_socket(info: AddressInfo) -> socket.socket:
        if not tenant.is_administrator and edge.kind_of(info[4][0]) is not AddressKind.PUBLIC:
            raise AddressRefused("only administrators may name")
        if not reaches(reach, *info[4][:2]):
            raise AddressRefused(f"{tenant.name} may not reach: put the file into the context")
        return socket.socket(info[0], info[1], info[2])

    connector = TCPConnector(socket_factory=make_socket, resolver=edge.resolver)
    timeout = ClientTimeout(total=None, sock_connect=edge.connect_seconds, sock_read=edge.stall_seconds)
    return ClientSession(
        connector=connector,
        timeout=timeout,
        headers=_HEADERS,
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
    )


@contextlib.asynccontextmanager
async def _answer(session: ClientSession, url: str, edge: Edge) -> AsyncIterator[ClientResponse]:
    async with session.get(URL(url), max_redirects=_MOST_REDIRECTS) as response:
        if not 200 <= response.status < 300:
            status = f"{response.status} {response.reason or ''}".rstrip()
            raise InvalidParameter(f"ADD failed: failed to GET {url[:200]} with status {status}")
        yield response


def _name(response: ClientResponse, url: URL) -> str:
    """The last part of the path, else what the answer calls it; never more than one component."""
    name = posixpath.basename(unquote(url.raw_path))
    if not name and response.content_disposition is not None:
        name = posixpath.basename(response.content_disposition.filename or "")
    return "" if name in (".", "..") or "\0" in name or "/" in name else name


async def _keep(response: ClientResponse, path: Path, *, shown: str, checksum: str, most_bytes: int) -> None:
    """Write the body, in a thread piece by piece; a pace of its own keeps a large file out of the memory."""
    hasher = hashlib.sha256()
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        async for block in response.content.iter_chunked(_BLOCK_BYTES):
            size += len(block)
            if size > most_bytes:
                raise InvalidParameter(f"ADD failed: {shown} is larger than {most_bytes} bytes")
            # Cancelled or not, it ends first: the descriptor may belong to another file afterwards.
            await settled(asyncio.to_thread(_write, descriptor, block, hasher.update))
        if checksum and checksum != (found := f"sha256:{hasher.hexdigest()}"):
            raise InvalidParameter(f"ADD failed: digest mismatch for {shown}: it is {found}, not {checksum}")
        modified = _modified(response)
        os.utime(descriptor, (modified, modified))
    finally:
        os.close(descriptor)


def _write(descriptor: int, block: bytes, observe: Callable[[bytes], None]) -> None:
    observe(block)
    left = memoryview(block)
    while left:
        left = left[os.write(descriptor, left) :]


def _modified(response: ClientResponse) -> int:
    """Seconds since 1970; that is what a file without a time gets."""
    try:
        return max(0, int(parsedate_to_datetime(response.headers.get("Last-Modified", "")).timestamp()))
    except (ValueError, OverflowError, TypeError):
        return 0
