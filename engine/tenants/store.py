"""Each tenant's slice of user ids: given once, kept for ever.

Owns the table tenant → slice on disk. A slice is 65536 ids that no other user of the host has; a container's ids 0 to 65535 are
shifted into its tenant's slice. Blocking; call it in a thread when a tenant may be new.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.launch import IdMapping
from engine.core.records import dump_record, parse_record
from engine.core.tenants import Tenant
from engine.errors import Fault
from engine.storage.files import write_atomically

FIRST_ID = 0x70000000  # systemd leaves 0x70000000 to 0x7fffffff unused (systemd.io, "Users, Groups, UIDs and GIDs")
SLICE_IDS = 65_536
SLICE_COUNT = 4096


@dataclass(frozen=True, slots=True)
class SliceTable:
    """``slices`` maps a tenant's name to its slice's number; the administrators' is number 0."""

    slices: dict[str, int] = field(default_factory=lambda: {"": 0})


class TenantStore:
    """Slices of user ids by tenant."""

    def __init__(self, root: Path) -> None:
        self._path = root / "slices.json"
        self._lock = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._table = self._load()

    def id_mappings(self, tenant: Tenant) -> list[IdMapping]:
        """Return the mapping of a tenant's containers, giving the tenant a slice when it has none. Raises Fault."""
        first = FIRST_ID + SLICE_IDS * self._slice(tenant)
        return [{"container": 0, "host": first, "length": SLICE_IDS}]

    def _slice(self, tenant: Tenant) -> int:
        with self._lock:
            number = self._table.slices.get(tenant.name)
            return self._assign(tenant) if number is None else number

    def _assign(self, tenant: Tenant) -> int:
        number = 1 + max(self._table.slices.values())
        if number >= SLICE_COUNT:
            raise Fault(f"no user ids are left for tenant {tenant.name}: all {SLICE_COUNT} slices are given away")
        table = SliceTable({**self._table.slices, tenant.name: number})
        write_atomically(self._path, dump_record(table))
        self._table = table
        return number

    def _load(self) -> SliceTable:
        """A damaged table stops the daemon: with guessed slices one tenant could own another's files."""
        try:
            return parse_record(SliceTable, self._path.read_bytes())
        except FileNotFoundError:
            return SliceTable()
        except ValueError as error:
            raise Fault(f"cannot read {self._path}: {error}; restore it from a backup") from error
