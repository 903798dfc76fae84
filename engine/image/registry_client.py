"""Registries as the rest of the engine sees them: repositories, signing in, search.

Owns the lanes: each tenant has connections, tokens and what it has learnt of a registry to itself, and those that nobody uses are
closed. The interface is that of the Distribution API, version 2; what a registry says is trusted in nothing.
"""

import asyncio

from aiohttp.abc import AbstractResolver
from yarl import URL

from engine.core.address_kinds import is_loopback_host
from engine.core.references import Reference
from engine.core.registries import (
    DOCKER_HUB,
    Credentials,
    RegistrySettings,
    domain_of_server,
    host_of,
    normalise_domain,
    path_on,
    split_term,
)
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, Unauthorized, Unavailable
from engine.image.registry_blobs import Source
from engine.image.registry_edge import Edge, Refused
from engine.image.registry_lane import Call, Lane
from engine.image.registry_names import Names
from engine.image.registry_patience import patiently
from engine.image.registry_repository import Repository
from engine.image.registry_search import MOST_RESULTS, SearchResult, search_catalog, search_hub
from engine.image.registry_tls import Certificates
from engine.image.registry_tokens import fetch_token
from engine.image.registry_visitor import Visitor, meet

_HUB_SEARCH = "index.docker.io"
_MOST_LANES = 32  # of one tenant


class RegistryClient:
    """One for each daemon. Makes no connection before it is asked to."""

    def __init__(self, settings: RegistrySettings, *, edge: Edge | None = None) -> None:
        self._settings = settings
        self._edge = edge or Edge()
        self._certificates = Certificates(self._edge.certificates_path, self._may_be_plain)
        self._names = Names()
        self._lanes: dict[tuple[Tenant, str], Lane] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def settings(self) -> RegistrySettings:
        """What an administrator has set."""
        return self._settings

    def resolver(self, tenant: Tenant) -> AbstractResolver:
        """Return what looks names up on a tenant's account."""
        return self._edge.resolver or self._names.resolver(tenant)

    def _may_be_plain(self, host: str, port: int) -> bool:
        return is_loopback_host(host) or self._settings.is_insecure(host, port)

    async def close(self) -> None:
        """Close all connections."""
        lanes, self._lanes = list(self._lanes.values()), {}
        for lane in lanes:
            await lane.close()
        await asyncio.gather(*self._closing)
        self._names.close()

    def repository(
        self, reference: Reference, credentials: Credentials | None, *, tenant: Tenant, pushes: bool = False
    ) -> Repository:
        """Return a repository; nothing is asked yet. Mirrors are for pulls only, and see no credentials."""
        domain = normalise_domain(reference.domain)
        path = path_on(domain, reference.path)
        scopes = (f"repository:{path}:{'pull,push' if pushes else 'pull'}",)
        mirrors = () if pushes else self._settings.mirrors.get(domain, ())
        sources = [Source(Visitor(self._mirror(url, tenant), None, scopes), path, is_mirror=True) for url in mirrors]
        origin = Source(Visitor(self._registry(domain, tenant), credentials, scopes), path)
        return Repository(domain, path, name=reference.name, sources=[*sources, origin], pushes=pushes)

    async def login(self, credentials: Credentials, *, tenant: Tenant) -> str:
        """Check credentials with the registry that they name; return its identity token, empty where it gives none.

        Raises Unauthorized where it does not accept them.
        """
        lane = self._registry(domain_of_server(credentials.server_address), tenant)
        return await patiently(self._edge, lambda: _sign_in(lane, credentials))

    async def search(
        self, term: str, *, limit: int, credentials: Credentials | None = None, tenant: Tenant
    ) -> list[SearchResult]:
        """Look for repositories: ``host/term`` on that registry, anything else on Docker Hub."""
        if not 1 <= limit <= MOST_RESULTS:
            raise InvalidParameter(f"invalid limit {limit}: use 1 to {MOST_RESULTS}")
        domain, wanted = split_term(term)
        try:
            if domain != DOCKER_HUB:
                return await search_catalog(Visitor(self._registry(domain, tenant), credentials), wanted, limit=limit)
            visitor = Visitor(self._lane(_HUB_SEARCH, f"https://{_HUB_SEARCH}", tenant), None)
            return await search_hub(visitor, wanted, limit=limit)
        except Refused as refusal:
            kind = Unauthorized if refusal.is_denial else Unavailable
            raise kind(f"registry {domain} refuses the search: {refusal.message}") from refusal

    def _registry(self, domain: str, tenant: Tenant) -> Lane:
        return self._lane(domain, f"https://{host_of(domain)}", tenant)

    def _mirror(self, url: str, tenant: Tenant) -> Lane:
        return self._lane(url, url, tenant, is_mirror=True)

    def _lane(self, name: str, base: str, tenant: Tenant, *, is_mirror: bool = False) -> Lane:
        lane = self._lanes.pop((tenant, name), None)
        if lane is None:
            lane = self._new_lane(name, base, tenant, is_mirror=is_mirror)
        self._lanes[tenant, name] = lane
        self._drop_oldest(tenant)
        return lane

    def _drop_oldest(self, tenant: Tenant) -> None:
        """Whoever goes to many registries loses the connections to the one that was used longest ago."""
        own = [key for key in self._lanes if key[0] == tenant]
        for key in own[: max(len(own) - _MOST_LANES, 0)]:
            task = asyncio.get_running_loop().create_task(self._lanes.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _new_lane(self, name: str, base: str, tenant: Tenant, *, is_mirror: bool) -> Lane:
        url = _parsed(base)
        return Lane(
            url,
            name=name,
            edge=self._edge,
            certificates=self._certificates,
            resolver=self.resolver(tenant),
            is_trusted=is_mirror or tenant.is_administrator,
            may_be_plain=not is_mirror and self._may_be_plain(url.host or "", url.port or 443),
        )


def _parsed(base: str) -> URL:
    try:
        url = URL(base)
        if url.host and url.port and url.scheme in ("http", "https"):
            return url
    except ValueError:
        pass
    raise InvalidParameter(f"invalid registry {base[:200]!r}: use host or host:port")


async def _sign_in(lane: Lane, credentials: Credentials) -> str:
    await meet(lane)
    challenge = lane.challenge
    if challenge is None:
        return ""
    if challenge.scheme == "bearer":
        return (await fetch_token(lane, challenge, credentials, (), is_login=True)).refresh
    try:
        (await Visitor(lane, credentials).ask(Call("GET", lane.place("/v2/")))).close()
    except Refused as refusal:
        kind = Unauthorized if refusal.is_denial else Unavailable
        raise kind(f'Get "{lane.place("/v2/")}": {refusal.message}') from refusal
    return ""
