"""The records of execs: in memory, and beside their container on disk once they are started.

Owns look-up and saving. A record lives as long as its container's run, or some minutes after its own end; one that is not
started lives some minutes too, and a container has so many at most, as whoever creates them costs the daemon memory.
"""

import asyncio
import logging
import shutil
from dataclasses import replace
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.execs import ExecRecord, ExecRun
from engine.core.ids import short_id
from engine.core.records import dump_record, parse_record
from engine.core.tenants import Tenant
from engine.errors import Conflict, NotFound
from engine.service.containers import ContainerStore
from engine.service.exec_gate import ExecGate
from engine.storage.files import set_aside
from engine.storage.rootfs import exec_log_of

log = logging.getLogger(__name__)
RECORD = "exec.json"
KEPT_SECONDS = 300.0
MOST_OF_CONTAINER = 1000
MOST_BYTES_OF_CONTAINER = 16 * 2**20  # of commands and environments; eight of the longest that the kernel takes


class ExecStore:
    """All execs of this engine."""

    def __init__(self, containers: ContainerStore) -> None:
        self._containers = containers
        self._records: dict[str, ExecRecord] = {}
        self._of_container: dict[str, dict[str, ExecRecord]] = {}
        self._ended: set[str] = set()
        self.gate = ExecGate()

    def path(self, record: ExecRecord) -> Path:
        """Return the folder of an exec."""
        return self._containers.path(record.container_id) / "execs" / record.exec_id

    def log_path(self, record: ExecRecord) -> Path:
        """Return the folder of an exec's output."""
        return exec_log_of(self._containers.path(record.container_id), record.exec_id)

    def load(self) -> None:
        """Read the records that an earlier daemon left."""
        for container in self._containers.all():
            for file in (self._containers.path(container.container_id) / "execs").glob(f"*/{RECORD}"):
                try:
                    self.put(parse_record(ExecRecord, file.read_bytes()))
                except (OSError, ValueError) as error:
                    log.warning("exec %s is left out: %s; %s", file.parent.name, error, set_aside(file))

    def of_container(self, container_id: str) -> list[ExecRecord]:
        """Return a container's execs, oldest first."""
        return list(self._of_container.get(container_id, {}).values())

    def get(self, exec_id: str) -> ExecRecord | None:
        """Return the present record."""
        return self._records.get(exec_id)

    def find(self, tenant: Tenant, exec_id: str) -> tuple[ExecRecord, ContainerRecord]:
        """Return an exec with its container. Raises NotFound, also for another tenant's."""
        record = self._records.get(exec_id)
        container = self._containers.get(record.container_id) if record is not None else None
        if record is None or container is None or not tenant.sees(container.tenant):
            raise NotFound(f"no such exec instance: {exec_id}")
        return record, container

    def add(self, record: ExecRecord, *, kept_seconds: float = KEPT_SECONDS) -> None:
        """Remember an exec that is not started yet; it does not survive the daemon. Raises Conflict for one too many."""
        self._make_room(record)
        self.put(record)
        asyncio.get_running_loop().call_later(kept_seconds, self._drop_unstarted, record.exec_id)

    def put(self, record: ExecRecord) -> None:
        """Make a record the present one."""
        self._records[record.exec_id] = record
        self._of_container.setdefault(record.container_id, {})[record.exec_id] = record

    def _make_room(self, record: ExecRecord) -> None:
        """Forget the oldest that have ended, as far as needed. Raises Conflict."""
        held = self.of_container(record.container_id)
        count, size = len(held) + 1, sum(map(_size, held)) + _size(record)
        for one in held:
            if count <= MOST_OF_CONTAINER and size <= MOST_BYTES_OF_CONTAINER:
                break
            if one.exec_id in self._ended:
                self.drop(one)
                count, size = count - 1, size - _size(one)
        if count > MOST_OF_CONTAINER or size > MOST_BYTES_OF_CONTAINER:
            raise Conflict(
                f"container {short_id(record.container_id)} has too many execs that run or wait for their start ({len(held)}):"
                " start those that were created, or let some end"
            )

    def _drop_unstarted(self, exec_id: str) -> None:
        record = self._records.get(exec_id)
        if record is not None and not record.run.is_started:
            self._forget(record)

    def write(self, record: ExecRecord) -> None:
        """Write the record of an exec that is about to start, for a next daemon. Blocking.

        Its process, once it is there, is the supervisor's to tell: nothing more has to be written, and nobody waits for it.
        """
        path = self.path(record)
        for folder in (path.parent, path):  # and not the container's, which may just have been removed
            folder.mkdir(mode=0o700, exist_ok=True)
        # Renamed but not synced: after a power cut no exec runs, so a record that is lost then is no loss.
        temporary = path / f".{RECORD}.new"
        temporary.write_bytes(dump_record(record))
        temporary.rename(path / RECORD)

    def finish(self, exec_id: str, exit_code: int | None) -> ExecRecord | None:
        """Note an exec's end, and forget it later. The end is not written: a daemon that starts later has forgotten it too."""
        record = self._records.get(exec_id)
        if record is None:
            return None
        ended = replace(record, run=ExecRun(is_started=True, exit_code=exit_code))
        self.put(ended)
        self._ended.add(exec_id)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self.drop, ended)
        return ended

    def drop(self, record: ExecRecord) -> None:
        """Forget an exec and its output."""
        if self._forget(record):
            shutil.rmtree(self.path(record), ignore_errors=True)

    def _forget(self, record: ExecRecord) -> bool:
        self._ended.discard(record.exec_id)
        known = self._of_container.get(record.container_id, {})
        known.pop(record.exec_id, None)
        if not known:
            self._of_container.pop(record.container_id, None)
        return self._records.pop(record.exec_id, None) is not None

    def drop_container(self, container_id: str) -> None:
        """Forget all execs of a container whose folder goes."""
        for record in self.of_container(container_id):
            self._forget(record)


def _size(record: ExecRecord) -> int:
    return sum(map(len, (*record.config.cmd, *record.config.env)))
