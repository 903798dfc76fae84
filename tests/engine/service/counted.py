"""An engine on a disk that counts, for tests of quotas: its own btrfs, and tenants with limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.engine.daemon import EngineDaemon, wait_until

MIB = 1 << 20


class CountedEngine(EngineDaemon):
    """Its data lie in an image that quotas hold in."""

    def command(self) -> list[str]:
        return [*super().command(), "--disk", "image", "--disk-size", "2G"]

    def limit(self, tenant: str, disk: int | None) -> None:
        """Set a tenant's quota of disk space."""
        answer = self.request("PUT", f"/tenants/{tenant}", {"disk": disk})
        assert answer.status in (200, 201, 204), answer.body

    def used(self, tenant: str) -> int:
        """The bytes that the kernel counts for a tenant."""
        usage: dict[str, Any] = self.request("GET", f"/tenants/{tenant}").document["usage"]
        return int(usage["disk"])

    def script(self, container_id: str, script: str) -> tuple[int, str]:
        """Run a line of shell in a container; return its code, and what it said on both streams."""
        done = self.cli("exec", container_id, "sh", "-c", script)
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


@contextmanager
def counted_engine() -> Iterator[CountedEngine]:
    """One for as long as the block lasts; at its end nothing of it may be left on the host."""
    engine = CountedEngine()
    try:
        engine.start()
        engine.import_busybox()
        yield engine
        engine.remove_containers()
        engine.stop()
        wait_until(lambda: not engine.leftovers(), "the engine to leave nothing behind", hint=lambda: str(engine.leftovers()))
    finally:
        engine.destroy()
