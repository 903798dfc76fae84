"""The daemon: one engine behind one socket, from its start to its orderly end.

Owns the socket, the lock that keeps a second daemon off the same folders, and the signals.
"""

import asyncio
import fcntl
import gc
import grp
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from engine.api.app import build_app
from engine.api.server import HijackableRunner
from engine.api.tenant_sockets import TenantSockets
from engine.core.addresses import DEFAULT_POOLS, Pool
from engine.core.lifecycle import ALIVE
from engine.core.registries import RegistrySettings
from engine.errors import Conflict, Fault
from engine.service.engine import Engine
from engine.service.fair_threads import FairThreads
from engine.service.lifecycle import build_engine, close_engine, open_engine
from engine.storage.disk import DiskSettings

log = logging.getLogger(__name__)
_BACKLOG = 512
_GRACE_SECONDS = 2.0
_SWITCH_SECONDS = 0.0005  # after which a thread that computes lets the loop go on: many times in each request


class Daemon:
    """Run it once."""

    def __init__(
        self,
        *,
        data_path: Path,
        run_path: Path,
        socket_path: Path,
        socket_group: str = "",
        registries: RegistrySettings | None = None,
        pools: Sequence[Pool] = DEFAULT_POOLS,
        disk: DiskSettings | None = None,
    ) -> None:
        self._data_path = data_path
        self._run_path = run_path
        self._socket_path = socket_path
        self._socket_group = socket_group
        self._registries = registries
        self._pools = pools
        self._disk = disk

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises Conflict, Fault, Unavailable, OSError when it cannot begin."""
        stop = _stop_signal()
        sys.setswitchinterval(_SWITCH_SECONDS)
        asyncio.get_running_loop().set_default_executor(FairThreads())
        lock_fd = self._lock()
        engine = await asyncio.to_thread(
            build_engine,
            data_path=self._data_path,
            run_path=self._run_path,
            registries=self._registries,
            pools=self._pools,
            disk=self._disk,
        )
        try:
            await open_engine(engine)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, engine.supervisor.renew_soon)
            runner = HijackableRunner(
                build_app(engine),
                handler_cancellation=True,  # a follower whose client has gone is not to wait for the next event
                shutdown_timeout=_GRACE_SECONDS,
                access_log=None,
                auto_decompress=False,  # as dockerd: whoever sends little could make the engine unpack much
            )
            await runner.setup()
            await self._serve(engine, runner, stop)
        finally:
            await close_engine(engine)
            os.close(lock_fd)

    async def _serve(self, engine: Engine, runner: web.AppRunner, stop: asyncio.Event) -> None:
        """Those of tenants first: who finds the administrators' socket finds all."""
        sock = self._listen()
        try:
            await _open_doors(engine, TenantSockets(runner))
            await web.SockSite(runner, sock, backlog=_BACKLOG).start()
            gc.freeze()  # modules and routes live as long as the daemon: no collection needs to look at them again
            log.info("listening on %s", self._socket_path)
            await stop.wait()
        finally:
            with suppress(FileNotFoundError):
                self._socket_path.unlink()
            await _close_doors(engine)
            await runner.cleanup()

    def _lock(self) -> int:
        """A second daemon on the same data would write the same records."""
        self._data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._run_path.mkdir(mode=0o750, parents=True, exist_ok=True)
        # Beside the folder: a disk of the engine's own is mounted on it.
        fd = os.open(self._data_path.with_name(f"{self._data_path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise Conflict(f"another engine already serves {self._data_path}: stop it or use another data folder") from None
        return fd

    def _listen(self) -> socket.socket:
        """The socket appears under its name only when it has its group and mode, so nobody finds it half made."""
        temporary = self._socket_path.with_name(f".{self._socket_path.name}.new")
        temporary.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(temporary))
        os.chown(temporary, 0, self._group_id())
        temporary.chmod(0o660)
        sock.listen(_BACKLOG)
        temporary.rename(self._socket_path)
        return sock

    def _group_id(self) -> int:
        if not self._socket_group:
            return 0
        try:
            return grp.getgrnam(self._socket_group).gr_gid
        except KeyError:
            raise Fault(f"no such group {self._socket_group}: make it, or leave out --socket-group") from None


async def _open_doors(engine: Engine, sockets: TenantSockets) -> None:
    having = {record.tenant for record in engine.containers.all() if not record.tenant.is_administrator}
    await engine.doors.open(engine.tenants.names(), in_use=having, listen=sockets.listen)


async def _close_doors(engine: Engine) -> None:
    await engine.doors.close(in_use={record.tenant for record in engine.containers.all() if record.run.state in ALIVE})


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
