"""Each tenant's slice of user ids, given once and kept for ever, its limits and its rules.

Owns the tables tenant → slice and tenant → limits and rules on disk. A slice is 65536 ids that no other user of the host has; a
container's ids 0 to 65535 are shifted into its tenant's slice. Blocking where it writes; call it in a thread then.
"""

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from engine.core.destinations import Reach
from engine.core.launch import IdMapping
from engine.core.records import dump_record, parse_record
from engine.core.tenants import Tenant, parse_tenant
from engine.errors import Fault
from engine.storage.files import write_atomically
from engine.tenants.limits import NO_LIMITS, TenantLimits
from engine.tenants.rules import EVERYTHING, NO_RULES, Permissions, TenantRules, combine

FIRST_ID = 0x70000000  # systemd leaves 0x70000000 to 0x7fffffff unused (systemd.io, "Users, Groups, UIDs and GIDs")
SLICE_IDS = 65_536
SLICE_COUNT = 4096
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SliceTable:
    """``slices`` maps a tenant's name to its slice's number; the administrators' is number 0."""

    slices: dict[str, int] = field(default_factory=lambda: {"": 0})


@dataclass(frozen=True, slots=True)
class LimitsTable:
    """Both map a tenant's name to what an administrator has set, in one file, so that they change at one moment."""

    limits: dict[str, TenantLimits] = field(default_factory=dict)
    rules: dict[str, TenantRules] = field(default_factory=dict)


class TenantStore:
    """Slices of user ids, limits and rules by tenant."""

    def __init__(self, root: Path) -> None:
        self._path = root / "slices.json"
        self._limits_path = root / "limits.json"
        self._lock = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._table = _load(SliceTable, self._path)
        self._set = _load(LimitsTable, self._limits_path)

    def limits(self, tenant: Tenant) -> TenantLimits:
        """Return a tenant's own limits, not those of the team around it."""
        return self._set.limits.get(tenant.name, NO_LIMITS)

    def rules(self, tenant: Tenant) -> TenantRules:
        """Return a tenant's own rules, not those of the team around it."""
        return self._set.rules.get(tenant.name, NO_RULES)

    def permissions(self, tenant: Tenant) -> Permissions:
        """Return what a tenant may do by its own rules and its team's; administrators may do all."""
        if tenant.is_administrator:
            return EVERYTHING
        return _combined(self.rules(Tenant(tenant.team)), self.rules(tenant) if tenant.member else NO_RULES)

    def is_set(self, tenant: Tenant) -> bool:
        """Whether an administrator has set anything for a tenant, be it nothing."""
        return tenant.name in self._set.limits

    def limited(self) -> dict[Tenant, TenantLimits]:
        """Return all tenants that have limits, teams before their members."""
        return {parse_tenant(name): limits for name, limits in sorted(self._set.limits.items())}

    def ruled(self) -> list[Tenant]:
        """Return all tenants that have rules of their own, teams before their members."""
        return [parse_tenant(name) for name in sorted(self._set.rules)]

    def reaches(self) -> dict[Tenant, Reach]:
        """Return where outside of the host those may send packets whose own rules say something; the rest have their team's."""
        return {tenant: self.permissions(tenant).reach for tenant in self.ruled()}

    def set(self, tenant: Tenant, limits: TenantLimits, rules: TenantRules) -> None:
        """Keep a tenant's limits and rules in place of those before, also when they are none: it is known from then on.

        Raises OSError, and all stays as it was.
        """
        table = self._without(tenant)
        table.limits[tenant.name] = limits
        if rules != NO_RULES:
            table.rules[tenant.name] = rules
        self._keep(table)

    def set_limits(self, tenant: Tenant, limits: TenantLimits) -> None:
        """Keep a tenant's limits in place of those before; its rules stay. Raises OSError, and all stays as it was."""
        self.set(tenant, limits, self.rules(tenant))

    def delete_limits(self, tenant: Tenant) -> None:
        """Forget a tenant's limits and rules. Raises OSError, and all stays as it was."""
        self._keep(self._without(tenant))

    def _without(self, tenant: Tenant) -> LimitsTable:
        return LimitsTable(
            {name: limits for name, limits in self._set.limits.items() if name != tenant.name},
            {name: rules for name, rules in self._set.rules.items() if name != tenant.name},
        )

    def names(self) -> list[Tenant]:
        """Return all tenants that have ever had a container or have limits now, and their teams, each before its members."""
        named = [parse_tenant(name) for name in {*self._table.slices, *self._set.limits} if name]
        return sorted({*named, *(Tenant(tenant.team) for tenant in named)})

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

    def _keep(self, table: LimitsTable) -> None:
        with self._lock:
            write_atomically(self._limits_path, dump_record(table))
            self._set = table


@lru_cache(maxsize=1024)
def _combined(team: TenantRules, member: TenantRules) -> Permissions:
    """Each container that is created asks; long lists take milliseconds to lay on each other."""
    return combine(team, member)


def _load(kind: type[T], path: Path) -> T:
    """A damaged table stops the daemon: with guessed slices one tenant could own another's files, without limits take all."""
    try:
        return parse_record(kind, path.read_bytes())
    except FileNotFoundError:
        return kind()
    except ValueError as error:
        raise Fault(f"cannot read {path}: {error}; restore it from a backup") from error
