"""Volumes: each a folder of its own, whole or not there.

Owns names within a tenant, and who holds a volume: nothing that is held can be removed, and nobody gets the folder of one that is
being replaced. Decides nothing about who may ask. How volumes lie on disk is ``volume_folders``'s.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.core.admitting import Admit, admit_all
from engine.core.ids import ID_BYTES, format_id
from engine.core.record_shares import RecordShares
from engine.core.records import dump_record
from engine.core.tenants import Tenant
from engine.core.volumes import ANONYMOUS_LABEL, VolumeRecord
from engine.errors import Conflict, Fault, NotFound, reason_of
from engine.storage.areas import Areas
from engine.storage.sizes import bytes_below
from engine.storage.trash import Trash
from engine.storage.tree import OPEN_FOLDER
from engine.storage.volume_folders import VolumeFolders

_log = logging.getLogger(__name__)


class VolumeStore:
    """All methods may be called from any thread; those that write may block on the disk."""

    def __init__(self, root: Path, trash: Trash, areas: Areas, *, admit: Admit = admit_all) -> None:
        """Open or make the store. A record that cannot be read is left where it is, with a message, and the rest is loaded."""
        self._folders = VolumeFolders(root, trash, areas)
        self._admit = admit
        self._lock = threading.Lock()
        self._records = {record.volume_id: record for record in self._folders.load()}
        self._shares = RecordShares("volumes")
        for record in self._records.values():
            self._shares.put(record.volume_id, record.tenant, len(dump_record(record)))
        self._holders: dict[str, set[str]] = {}  # containers by volume
        self._held: dict[str, set[str]] = {}  # volumes by container
        self._pending: dict[str, str] = {}  # volumes whose fate is still their container's
        self._closed: set[str] = set()  # volumes whose folder is being replaced

    def data_path(self, volume_id: str) -> Path:
        """Return the folder that containers see. Raises NotFound, Conflict while it is being replaced."""
        record = self.get(volume_id)
        if volume_id in self._closed:
            raise Conflict(f"volume {record.name} is being restored: try again")
        return self.path(volume_id)

    def path(self, volume_id: str) -> Path:
        """Say where a volume's files are, there or not."""
        return self._folders.data(volume_id)

    def get(self, volume_id: str) -> VolumeRecord:
        """Raises NotFound."""
        record = self._records.get(volume_id)
        if record is None:
            raise NotFound(f"no such volume: {volume_id}")
        return record

    def visible(self, tenant: Tenant) -> list[VolumeRecord]:
        """Return what a tenant may see, by name."""
        found = [record for record in list(self._records.values()) if tenant.sees(record.tenant)]
        return sorted(found, key=lambda record: (record.name, record.tenant))

    def count(self, tenant: Tenant) -> int:
        """Return how many a tenant has, with those of its members."""
        return sum(tenant.sees(record.tenant) for record in list(self._records.values()))

    def own(self, tenant: Tenant, name: str) -> VolumeRecord | None:
        """Return the tenant's very own volume of that name: the only kind that its containers mount."""
        return next((one for one in list(self._records.values()) if one.name == name and one.tenant == tenant), None)

    def find(self, tenant: Tenant, name: str) -> VolumeRecord:
        """Look up by name, an own one first, then by id. Raises NotFound, Conflict where several tenants have the name."""
        if (own := self.own(tenant, name)) is not None:
            return own
        found = [record for record in self.visible(tenant) if name in (record.name, record.volume_id)]
        if len(found) > 1:
            owners = ", ".join(record.tenant.name for record in found)
            raise Conflict(f"volume name {name} belongs to several tenants ({owners}): act as one of them, or use the id")
        if not found:
            raise NotFound(f"get {name[:140]}: no such volume")
        return found[0]

    def ensure(
        self,
        tenant: Tenant,
        name: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        holder: str = "",
    ) -> tuple[VolumeRecord, bool]:
        """Return the tenant's volume of that name and whether it is new; without a name a new anonymous one.

        A holder, the id of a container that is being made, keeps it from removal; a new volume goes with that container if this
        does not come to be (``settle``). Raises QuotaExceeded, Fault.
        """
        with self._lock:
            found = self.own(tenant, name) if name else None
            record = found or self._make(tenant, name, labels or {}, options or {}, holder)
            if holder:
                self._hold(record.volume_id, holder)
            return record, found is None

    def hold(self, volume_id: str, holder: str) -> VolumeRecord:
        """Keep a volume from removal. Raises NotFound."""
        with self._lock:
            record = self.get(volume_id)
            self._hold(volume_id, holder)
            return record

    def holders(self, volume_id: str) -> list[str]:
        """Return the ids of the containers that have a volume."""
        return sorted(self._holders.get(volume_id, ()))

    def held_by(self, holder: str) -> frozenset[str]:
        """Return the ids of a container's volumes."""
        return frozenset(self._held.get(holder, ()))

    def expect(self, volume_ids: Collection[str], holder: str) -> None:
        """Note that volumes are to go with a container that is being removed, whatever becomes of the daemon meanwhile.

        On a disk that takes no more they go all the same, but not if the daemon ends in between.
        """
        with self._lock:
            for volume_id in volume_ids:
                self._pending[volume_id] = holder
                try:
                    self._folders.mark_pending(volume_id, holder)
                except OSError as error:
                    _log.warning("volume %s cannot be marked: %s", volume_id, error)

    def settle(self, holder: str, *, exists: bool) -> list[VolumeRecord]:
        """End what ``ensure`` and ``expect`` began, now that the container exists, or is gone and holds nothing any more.

        Return the volumes that were new with it, or went with it.
        """
        with self._lock:
            pending = [self._records[one] for one in self.held_by(holder) if self._pending.get(one) == holder]
            if not exists:
                self._release(holder)
            gone = [record for record in pending if not self._holders.get(record.volume_id)]
            for record in pending:
                if record in gone:
                    self._discard(record)
                else:
                    self._keep(record.volume_id)
            return pending if exists else gone

    def remove(self, volume_id: str) -> None:
        """Remove a volume with its data. Raises NotFound, Conflict while a container has it."""
        with self._lock:
            record = self.get(volume_id)
            if holders := self.holders(volume_id):
                raise Conflict(f"remove {record.name}: volume is in use - [{', '.join(holders)}]")
            self._discard(record)

    @contextmanager
    def filling(self, volume_id: str) -> Iterator[None]:
        """Mark an empty volume while its only holder fills it: if that fails, or is cut off, the volume is empty again."""
        mark = self._folders.filling_mark(volume_id)
        if len(self.holders(volume_id)) > 1:
            yield
            return
        mark.touch()
        try:
            yield
        except BaseException:
            if len(self.holders(volume_id)) <= 1:
                self._folders.empty(self.get(volume_id))
            raise
        finally:
            mark.unlink(missing_ok=True)

    def size_bytes(self, volume_id: str) -> int:
        """What a volume takes, by the kernel where it counts, else the sum of its files; 0 for one that has gone meanwhile."""
        with suppress(OSError):
            counted = self._folders.size_bytes(volume_id)
            if counted is not None:
                return counted
            folder = os.open(self.path(volume_id), OPEN_FOLDER)
            try:
                return bytes_below(folder)
            finally:
                os.close(folder)
        return 0

    @contextmanager
    def replacement(self, volume_id: str) -> Iterator[Path]:
        """Lend an empty folder aside, charged as the volume is, for ``replace``; else it goes. Raises NotFound, OSError."""
        with self._folders.replacement(self.get(volume_id)) as data:
            yield data

    @contextmanager
    def closed(self, volume_id: str) -> Iterator[None]:
        """Give nobody the volume's folder meanwhile; for one thread's use. Raises NotFound, Conflict where that is so already."""
        self.data_path(volume_id)
        self._closed.add(volume_id)
        try:
            yield
        finally:
            self._closed.discard(volume_id)

    def replace(self, volume_id: str, data: Path) -> VolumeRecord:
        """Put a folder that was lent in the place of the volume's, whole or not at all. Raises NotFound, OSError."""
        self._folders.write_out(data)
        with self._lock:
            record = self.get(volume_id)
            self._folders.replace(record, data)
            return record

    def restore(self, held: Mapping[str, Collection[str]]) -> None:
        """After a start: who holds what, by container; what was being made or removed when the last daemon ended is finished."""
        for holder, volume_ids in held.items():
            for volume_id in set(volume_ids) & set(self._records):
                self._hold(volume_id, holder)
        for volume_id, record in list(self._records.items()):
            mark = self._folders.filling_mark(volume_id)
            if mark.exists():
                if not self._holders.get(volume_id):
                    self._folders.empty(record)
                mark.unlink()
            if self._folders.is_pending(volume_id):
                if self._holders.get(volume_id):
                    self._keep(volume_id)
                else:
                    self._discard(record)

    def _make(
        self, tenant: Tenant, name: str, labels: Mapping[str, str], options: Mapping[str, str], holder: str
    ) -> VolumeRecord:
        volume_id = format_id(secrets.token_bytes(ID_BYTES))
        labels = labels if name else {**labels, ANONYMOUS_LABEL: ""}
        record = VolumeRecord(volume_id, name or volume_id, tenant, time.time_ns(), labels, options)
        size_bytes = len(dump_record(record))
        self._admit(tenant, "volumes", requested=1, used=self.count)
        self._shares.check(volume_id, tenant, size_bytes)
        try:
            self._folders.make(record, holder)
        except OSError as error:
            raise Fault(f"cannot make volume {record.name}: {reason_of(error)}") from error
        self._records[volume_id] = record
        self._shares.put(volume_id, tenant, size_bytes)
        if holder:
            self._pending[volume_id] = holder
        return record

    def _discard(self, record: VolumeRecord) -> None:
        try:
            self._folders.remove(record.volume_id)
        except OSError as error:
            raise Fault(f"cannot remove volume {record.name}: {reason_of(error)}") from error
        for known in (self._records, self._holders, self._pending):
            known.pop(record.volume_id, None)
        self._shares.drop(record.volume_id)

    def _hold(self, volume_id: str, holder: str) -> None:
        self._holders.setdefault(volume_id, set()).add(holder)
        self._held.setdefault(holder, set()).add(volume_id)

    def _release(self, holder: str) -> None:
        for volume_id in self._held.pop(holder, ()):
            self._holders[volume_id].discard(holder)

    def _keep(self, volume_id: str) -> None:
        """Its fate is no longer a container's. A mark that stays by mistake says nothing while a container has the volume."""
        self._pending.pop(volume_id, None)
        try:
            self._folders.unmark_pending(volume_id)
        except OSError as error:
            _log.warning("volume %s keeps its mark: %s", volume_id, error)
