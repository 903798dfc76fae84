"""The records of all containers: on disk, in memory, and by name.

Owns look-up scoped by tenant, saving, and one lock for each container. It changes no state by itself.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Iterable
from pathlib import Path

from engine.core.admitting import Admit, admit_all
from engine.core.containers import ContainerRecord
from engine.core.ids import is_id_prefix, short_id
from engine.core.record_shares import RecordShares
from engine.core.records import dump_record, parse_record
from engine.core.tenants import Tenant
from engine.errors import Conflict, InvalidParameter, NotFound
from engine.linux.inode_flags import spread_folders
from engine.service.container_lock import ContainerLock
from engine.storage.files import ASIDE, set_aside, write_aside

log = logging.getLogger(__name__)
RECORD = "container.json"
_WRITE_PAUSES_SECONDS = (1.0, 2.0, 5.0, 15.0)


class ContainerStore:
    """All containers of this engine."""

    def __init__(self, root: Path, *, admit: Admit = admit_all) -> None:
        self._root = root
        self._admit = admit
        self._records: dict[str, ContainerRecord] = {}
        self._shares = RecordShares("containers")
        self._locks: dict[str, ContainerLock] = {}
        self._writing: set[asyncio.Task[None]] = set()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        spread_folders(root)

    def path(self, container_id: str) -> Path:
        """Return the folder of a container."""
        return self._root / container_id

    def lock(self, container_id: str) -> ContainerLock:
        """Return the lock that whoever changes the container holds."""
        return self._locks.setdefault(container_id, ContainerLock())

    def load(self) -> list[Path]:
        """Read all records; return the folders that hold none (a create that was cut off).

        A folder whose record cannot be read is set aside whole, with a message; what runs of that container is ended later.
        """
        strays = []
        for folder in sorted(self._root.iterdir()):
            if folder.name.endswith(ASIDE):
                continue
            try:
                record, size_bytes = _read(folder)
                self._records[folder.name] = record
                self._shares.put(folder.name, record.tenant, size_bytes)
            except FileNotFoundError:
                strays.append(folder)
            except (OSError, ValueError) as error:
                log.error("container %s is left out: %s; %s", folder.name, error, set_aside(folder))  # noqa: TRY400 - the reason is the message
        return strays

    def all(self) -> Iterable[ContainerRecord]:
        """Return a snapshot of all records, newest first."""
        return sorted(self._records.values(), key=lambda record: -record.created_ns)

    def count(self, tenant: Tenant) -> int:
        """Return how many a tenant has, with those of its members and of builds."""
        return sum(tenant.sees(record.tenant) for record in self._records.values())

    def visible(self, tenant: Tenant) -> list[ContainerRecord]:
        """Return what a tenant may see, newest first."""
        return [record for record in self.all() if tenant.sees(record.tenant)]

    def get(self, container_id: str) -> ContainerRecord | None:
        """Return the present record of a full id."""
        return self._records.get(container_id)

    def current(self, container_id: str) -> ContainerRecord:
        """Return the present record of a full id that may have been removed meanwhile. Raises NotFound."""
        record = self._records.get(container_id)
        if record is None:
            raise NotFound(f"no such container: {container_id}")
        return record

    def find(self, tenant: Tenant, name: str) -> ContainerRecord:
        """Look up by id, by name, then by beginning of an id, as Docker does. Raises NotFound, InvalidParameter, Conflict."""
        text = name.removeprefix("/")
        if (record := self._records.get(text)) is not None and tenant.sees(record.tenant):
            return record
        visible = self.visible(tenant)
        return self._by_name(tenant, text, visible) or self._by_prefix(text, visible)

    def _by_name(self, tenant: Tenant, name: str, visible: list[ContainerRecord]) -> ContainerRecord | None:
        named = [record for record in visible if record.name == name]
        own = [record for record in named if record.tenant == tenant]
        if own or len(named) == 1:
            return (own or named)[0]
        if named:
            owners = ", ".join(sorted(record.tenant.name for record in named))
            raise Conflict(f"container name {name} belongs to several tenants ({owners}): use the id")
        return None

    def _by_prefix(self, text: str, visible: list[ContainerRecord]) -> ContainerRecord:
        found = [record for record in visible if record.container_id.startswith(text)] if is_id_prefix(text) else []
        if len(found) > 1:
            raise InvalidParameter(f"container id {text} is ambiguous: give more of its digits")
        if not found:
            raise NotFound(f"no such container: {text}")
        return found[0]

    def check_name_free(self, tenant: Tenant, name: str) -> None:
        """Raise Conflict when the tenant has a container of that name."""
        for record in self._records.values():
            if record.name == name and record.tenant == tenant:
                raise Conflict(
                    f'the container name "/{name}" is already in use by container "{short_id(record.container_id)}":'
                    " remove or rename that container to be able to reuse the name"
                )

    def reserve(self, record: ContainerRecord) -> None:
        """Enter a new record in memory, so that its name and its place are taken. Raises Conflict, QuotaExceeded."""
        self.check_name_free(record.tenant, record.name)
        self._admit(record.tenant, "containers", requested=1, used=self.count)
        self._shares.put(record.container_id, record.tenant, self.check_size(record))
        self._records[record.container_id] = record

    def check_size(self, record: ContainerRecord) -> int:
        """Return how many bytes a record takes. Raises QuotaExceeded where its tenant's would become too many with it."""
        size_bytes = len(dump_record(record))
        self._shares.check(record.container_id, record.tenant, size_bytes)
        return size_bytes

    async def save(self, record: ContainerRecord) -> None:
        """Write a record and make it the present one. Hold the container's lock.

        The record is whole on disk before it gets its name. That itself is not waited for: a power cut may bring the record
        back that was there some seconds before, as with dockerd.
        """
        content = dump_record(record)
        await asyncio.to_thread(_write, self.path(record.container_id) / RECORD, content)
        self._records[record.container_id] = record
        self._shares.put(record.container_id, record.tenant, len(content))

    async def save_if(self, record: ContainerRecord, work: Awaitable[None]) -> None:
        """Do ``work``, and if it succeeds make ``record`` the present one. Raises what ``work`` raises, and OSError.

        The record is written aside meanwhile. Its rename is not synced: it tells of a process, which no power cut outlives.
        """
        path = self.path(record.container_id) / RECORD
        writing = asyncio.to_thread(write_aside, path, dump_record(record))
        done, temporary = await asyncio.gather(work, writing, return_exceptions=True)
        if isinstance(done, BaseException):
            raise done
        if isinstance(temporary, BaseException):
            raise temporary
        await asyncio.to_thread(temporary.rename, path)
        self._records[record.container_id] = record

    async def note(self, record: ContainerRecord) -> None:
        """Save what has already happened: a disk that refuses must not make the engine deny it, so memory follows in any case."""
        try:
            await self.save(record)
        except OSError as error:
            log.error("the record of container %s cannot be written: %s", record.name, error)  # noqa: TRY400 - the reason is the message
            self._records[record.container_id] = record
            self._write_later(record.container_id)

    def _write_later(self, container_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._write_when_possible(container_id))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_when_possible(self, container_id: str) -> None:
        """Try again in pauses until the record on disk says what the one in memory does, or the container has gone."""
        for pause_seconds in itertools.chain(_WRITE_PAUSES_SECONDS, itertools.repeat(_WRITE_PAUSES_SECONDS[-1])):
            await asyncio.sleep(pause_seconds)
            async with self.lock(container_id):
                record = self._records.get(container_id)
                if record is None:
                    self._locks.pop(container_id, None)
                    return
                with contextlib.suppress(OSError):
                    await self.save(record)
                    return

    def drop(self, container_id: str) -> None:
        """Forget a container whose folder is gone."""
        self._records.pop(container_id, None)
        self._shares.drop(container_id)
        self._locks.pop(container_id, None)


def _read(folder: Path) -> tuple[ContainerRecord, int]:
    """Return a record and its bytes. Raises OSError, ValueError."""
    content = (folder / RECORD).read_bytes()
    record = parse_record(ContainerRecord, content)
    if record.container_id != folder.name:
        raise ValueError(f"it speaks of container {record.container_id}")
    return record, len(content)


def _write(path: Path, content: bytes) -> None:
    write_aside(path, content).rename(path)
