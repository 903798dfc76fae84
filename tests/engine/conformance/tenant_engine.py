"""An engine whose clients are a member of a team, through the member's own socket.

Owns which socket a test means: what it asks goes through the member's, but for what the fixture itself sets up.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.engine.daemon import Answer, EngineDaemon

TENANT = "demo/ada"


class TenantEngine(EngineDaemon):
    """As any engine, with one tenant."""

    is_open = False

    @property
    def docker_path(self) -> Path:
        return self.socket_of(TENANT)

    def command(self) -> list[str]:
        return [*super().command(), "--insecure-registry", "127.0.0.0/8"]  # else a tenant is led to nothing on this machine

    def start(self) -> Self:
        super().start()
        assert self.request("PUT", f"/tenants/{TENANT}", {}).status == 200
        self.is_open = True
        return self

    def stop(self) -> None:
        self.is_open = False
        super().stop()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        tenant: str = "",
        through: Path | None = None,
    ) -> Answer:
        own = self.docker_path if self.is_open else None
        return super().request(method, path, body, headers=headers, tenant=tenant, through=through or own)
