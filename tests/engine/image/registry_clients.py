"""Clients for tests of registries: with little patience, names of their own, and addresses that count as lying elsewhere."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp.abc import AbstractResolver, ResolveResult

from engine.core.address_kinds import AddressKind, kind_of
from engine.core.references import parse_reference
from engine.core.registries import Credentials, RegistrySettings
from engine.core.tenants import Tenant
from engine.image.registry_client import RegistryClient
from engine.image.registry_edge import Edge
from engine.image.registry_repository import Repository

ADA = Tenant("demo", "ada")
PUBLIC, PRIVATE, METADATA = "127.0.0.2", "127.0.0.3", "127.0.0.4"
_KINDS = {PUBLIC: AddressKind.PUBLIC, PRIVATE: AddressKind.PRIVATE, METADATA: AddressKind.FORBIDDEN}


class Names(AbstractResolver):
    """Answers from a table; a list of addresses is given out one after the other."""

    def __init__(self, table: Mapping[str, str | list[str]]) -> None:
        self._table = dict(table)

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = self._table.get(host)
        if found is None:
            raise OSError(None, "no such name")
        address = found if isinstance(found, str) else found.pop(0) if len(found) > 1 else found[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


def kind_in_tests(address: str) -> AddressKind:
    return _KINDS[address] if address in _KINDS else kind_of(address)


HASTY = Edge(
    kind_of=kind_in_tests,
    certificates_path=Path(os.devnull, "certs.d"),
    connect_seconds=5.0,
    stall_seconds=5.0,
    attempts=4,
    first_delay_seconds=0.01,
    most_delay_seconds=2.0,
)


@asynccontextmanager
async def client(
    *,
    names: Mapping[str, str | list[str]] | None = None,
    insecure: tuple[str, ...] = (),
    mirrors: Mapping[str, tuple[str, ...]] | None = None,
    edge: Edge = HASTY,
) -> AsyncIterator[RegistryClient]:
    """A client for as long as the block lasts."""
    made = RegistryClient(
        RegistrySettings(mirrors or {}, insecure), edge=replace(edge, resolver=Names(names or {}) if names else edge.resolver)
    )
    try:
        yield made
    finally:
        await made.close()


def repository(
    made: RegistryClient, name: str, credentials: Credentials | None = None, *, tenant: Tenant = ADA, pushes: bool = False
) -> Repository:
    return made.repository(parse_reference(name, default_domain="docker.io"), credentials, tenant=tenant, pushes=pushes)


def blocks_of(
    raw: bytes, *, between: Callable[[int], None] | None = None
) -> Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]:
    """What an upload reads from; ``between`` is called before each block with its place."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
        async def blocks() -> AsyncIterator[bytes]:
            for start in range(0, len(raw), 2**16):
                if between is not None:
                    between(start)
                yield raw[start : start + 2**16]

        yield blocks()

    return opened
