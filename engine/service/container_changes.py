"""Changes: which files a container has added, changed or deleted against its image."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.core.tenants import Tenant
from engine.runtime.files_session import FilesSession
from engine.service.container_files import layer_session
from engine.service.engine import Engine


@asynccontextmanager
async def container_changes(engine: Engine, tenant: Tenant, name: str) -> AsyncIterator[FilesSession]:
    """Begin the list; the session's data is its JSON. Raises NotFound, Conflict, Fault, Unavailable."""
    async with layer_session(engine, engine.containers.find(tenant, name), {"verb": "changes"}) as session:
        yield session
