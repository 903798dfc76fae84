"""Backup and restore: a volume's files as a tar stream, and a tar stream in the place of a volume's files.

Owns that a restore is whole or not at all: the archive is unpacked aside, on the volume's account, and changes places with the
old files in one step while no container runs with them. A daemon that ends in between leaves the old files.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from engine.core.ids import short_id
from engine.core.lifecycle import ALIVE
from engine.core.tenants import Tenant
from engine.core.volumes import VolumeRecord
from engine.errors import Conflict, Fault, InvalidParameter, reason_of
from engine.linux.pipe_drain import open_drain, read_some
from engine.service.engine import Engine
from engine.service.volumes import filling_volume, publish_volume
from engine.storage.volume_archive import pack_folder, unpack_folder
from engine.tenants.store import SLICE_IDS

T = TypeVar("T")
_packing: set[asyncio.Task[None]] = set()  # the loop itself remembers tasks only weakly


class VolumeBackup:
    """The archive as it is made: no faster than it is taken."""

    def __init__(self, read_fd: int, packing: "asyncio.Task[None]") -> None:
        self._read_fd = read_fd
        self._packing = packing

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the archive to its end, which ``finish`` then judges."""
        while piece := await read_some(self._read_fd):
            yield piece

    async def finish(self) -> None:
        """Raise what went wrong: Conflict, Fault."""
        await asyncio.shield(self._packing)


@asynccontextmanager
async def volume_backup(engine: Engine, tenant: Tenant, name: str) -> AsyncIterator[VolumeBackup]:
    """Begin to read a volume, in use or not. Raises NotFound, Conflict."""
    volume = _with_files(engine, tenant, name)
    path = engine.volumes.data_path(volume.volume_id)
    read_fd, write_fd = open_drain()
    packing = asyncio.create_task(engine.slow.run(tenant, partial(_pack, path, write_fd)))
    _packing.add(packing)
    packing.add_done_callback(_forget)
    try:
        yield VolumeBackup(read_fd, packing)
    finally:
        os.close(read_fd)  # whoever still writes, or only waits for a turn, comes to an end by that


async def restore_volume(
    engine: Engine, tenant: Tenant, name: str, stream: BinaryIO, *, is_whole: Callable[[], bool]
) -> VolumeRecord:
    """Put an archive's files in the place of a volume's. ``is_whole`` tells whether all of the stream has come.

    Raises NotFound, InvalidParameter for the archive, Conflict while a container runs with the volume, QuotaExceeded, Fault.
    """
    volume = _with_files(engine, tenant, name)
    _check_unused(engine, volume)
    async with _replacement(engine, volume) as data:
        await engine.slow.run(tenant, partial(_unpack, engine, volume, stream, data))
        if not is_whole():
            raise InvalidParameter(f"the archive for volume {volume.name} was cut off: nothing has changed")
        with engine.volumes.closed(volume.volume_id):
            await _await_quiet(engine, volume)
            replace = partial(engine.volumes.replace, volume.volume_id, data)
            await engine.fillers.fill(tenant, volume.volume_id, partial(_checked, volume, replace))
    publish_volume(engine, volume, "restore")
    return volume


def _with_files(engine: Engine, tenant: Tenant, name: str) -> VolumeRecord:
    volume = engine.volumes.find(tenant, name)
    if volume.meaning.backing:
        raise Conflict(f"volume {volume.name} has no files of its own: it is memory, or a folder of the host's")
    return volume


def _check_unused(engine: Engine, volume: VolumeRecord) -> None:
    """Raise Conflict while a container runs with it: its programs would go on with files that are gone."""
    records = [engine.containers.get(holder) for holder in engine.volumes.holders(volume.volume_id)]
    running = [short_id(record.container_id) for record in records if record is not None and record.run.state in ALIVE]
    if running:
        raise Conflict(f"volume {volume.name} is used by running containers - [{', '.join(running)}]: stop them first")


async def _await_quiet(engine: Engine, volume: VolumeRecord) -> None:
    """Let whoever was handed the volume's folder before it was closed come to an end: starts, and copies of files."""
    for holder in engine.volumes.holders(volume.volume_id):
        if engine.containers.get(holder) is not None:
            async with engine.containers.lock(holder):
                pass
    _check_unused(engine, volume)


@asynccontextmanager
async def _replacement(engine: Engine, volume: VolumeRecord) -> AsyncIterator[Path]:
    lent = engine.volumes.replacement(volume.volume_id)
    data = await asyncio.to_thread(_checked, volume, lent.__enter__)
    try:
        yield data
    finally:
        await asyncio.to_thread(lent.__exit__, None, None, None)


def _checked(volume: VolumeRecord, work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        raise Fault(f"cannot restore volume {volume.name}: {reason_of(error)}") from error


def _unpack(engine: Engine, volume: VolumeRecord, stream: BinaryIO, data: Path) -> None:
    with filling_volume(engine, volume):
        unpack_folder(stream, data, ids=SLICE_IDS)


def _pack(path: Path, write_fd: int) -> None:
    try:
        with suppress(BrokenPipeError):
            pack_folder(path, write_fd)
    finally:
        os.close(write_fd)


def _forget(packing: "asyncio.Task[None]") -> None:
    _packing.discard(packing)
    if not packing.cancelled():
        packing.exception()  # seen here, since nobody may be left to be told
