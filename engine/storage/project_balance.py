"""Keeps areas within what their tenants may have together: each pass sets the kernel's limits of areas (see disk_shares.py).

A pass runs whenever an area or a limit changes, and each second while any tenant has a limit. Limits are lowered before others
are raised, and what is used is read again in between: whoever writes meanwhile gains nothing.
"""

import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.linux.project_quota import Quota
from engine.storage.disk_shares import AreaUse, hard_limits, scopes_of
from engine.storage.project_ids import ProjectIds, is_unused
from engine.storage.project_marks import Mark

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_GROWING_PASSES = 10  # so long after it was made or last grew
_GROWTH_BYTES = 64 * 1024


@dataclass(slots=True)
class _Known:
    """``limit_bytes`` is what the kernel holds; before the first pass nobody knows. Until it ``is_made`` nothing counts in it."""

    mark: Mark
    used_bytes: int = 0
    limit_bytes: int | None = -1
    grows_for: int = _GROWING_PASSES
    is_made: bool = False


class Balance:
    """All methods may be called from any thread. ``ids`` is used by this one alone."""

    def __init__(self, ids: ProjectIds) -> None:
        self._ids = ids
        self._lock = threading.RLock()
        self._areas: dict[int, _Known] = {}
        self._limits: dict[Tenant, int] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take_over(self, areas: Iterable[tuple[int, Mark]]) -> None:
        """Areas that are there. What the kernel holds them to stays until a pass, which limits of tenants come before."""
        with self._lock:
            for project, mark in areas:
                self._areas[project] = _Known(mark, grows_for=0, is_made=True)

    def add(self, mark: Mark) -> int:
        """Return a new id, with its limit; to be told of by ``made`` or ``give_back``. Raises Unavailable, OSError."""
        with self._lock:
            project = self._ids.take()
            while project in self._areas:
                project = self._ids.take()
            self._areas[project] = _Known(mark)
            self._settle_all([mark.owner], alone=project)
            return project

    def made(self, project: int) -> None:
        """Its folder counts now."""
        with self._lock:
            self._areas[project].is_made = True

    def give_back(self, project: int) -> None:
        """No folder was made for it. Raises OSError."""
        self.made(project)
        self.forget(project)

    def change(self, project: int, mark: Mark) -> None:
        """Another owner or another limit. Raises OSError."""
        with self._lock:
            known = self._areas.setdefault(project, _Known(mark, is_made=True))
            former, known.mark = known.mark, mark
            self._settle_all([former.owner, mark.owner], alone=project)

    def forget(self, project: int) -> None:
        """After an area was removed; what of it is still open counts until it is closed. Raises OSError."""
        with self._lock:
            known = self._areas.get(project)
            if known is not None and known.is_made and is_unused(self._ids.quota(project)):
                self._ids.limit(project, None)
                del self._areas[project]

    def deal_out(self, owners: Collection[Tenant]) -> None:
        """One pass over what the owners' teams have. Raises OSError."""
        with self._lock:
            self._reap()
            self._settle_all(list(owners))

    def free(self, limited: Collection[Tenant]) -> None:
        """Lift what a former daemon has left on areas of all but these tenants, whose limits are to come. Raises OSError."""
        with self._lock:
            chosen = [project for project, known in self._areas.items() if not set(scopes_of(known.mark.owner)) & set(limited)]
            self._settle(chosen)

    def limit_tenant(self, tenant: Tenant, limit_bytes: int | None) -> None:
        """Raises OSError."""
        with self._lock:
            if limit_bytes is None:
                self._limits.pop(tenant, None)
            else:
                self._limits[tenant] = limit_bytes
            self._settle_all([tenant])
            self._run()

    def used(self, project: int) -> int:
        """Raises OSError."""
        return self._ids.quota(project).used_bytes

    def used_by(self, tenant: Tenant) -> int:
        """Raises OSError."""
        with self._lock:
            ids = [project for project, known in self._areas.items() if tenant in scopes_of(known.mark.owner)]
            return sum(self.used(project) for project in ids)

    def quotas(self) -> list[Quota]:
        """Return how things are with each area. Raises OSError."""
        with self._lock:
            return [self._ids.quota(project) for project in self._areas]

    def settle(self) -> None:
        """One pass over all. Raises OSError."""
        with self._lock:
            self._reap()
            self._settle(list(self._areas))

    def close(self) -> None:
        """End the passes. The kernel keeps the limits of the last one."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _reap(self) -> None:
        for project in list(self._areas):
            self.forget(project)

    def _settle_all(self, owners: list[Tenant], *, alone: int | None = None) -> None:
        """Deal out anew what the owners' teams have. One area alone is looked at where they have no limits."""
        teams = {owner.team for owner in owners if not owner.is_administrator}
        is_limited = alone is None or any(tenant.team in teams for tenant in self._limits)
        chosen = [project for project, known in self._areas.items() if known.mark.owner.team in teams] if is_limited else []
        self._settle(chosen if alone is None or alone in chosen else [*chosen, alone])

    def _settle(self, projects: list[int]) -> None:
        wanted = hard_limits(self._uses(projects, is_pass=True), self._limits)
        raised = [project for project in projects if not self._is_lowered(project, wanted[project])]
        for project in wanted.keys() - raised:
            self._set(project, wanted[project])
        if raised:
            again = hard_limits(self._uses(projects), self._limits)
            for project in raised:
                self._set(project, _least(wanted[project], again[project]))

    def _is_lowered(self, project: int, limit_bytes: int | None) -> bool:
        present = self._areas[project].limit_bytes
        return limit_bytes is not None and (present is None or limit_bytes < present)

    def _set(self, project: int, limit_bytes: int | None) -> None:
        known = self._areas[project]
        if known.limit_bytes != limit_bytes:
            self._ids.limit(project, limit_bytes)
            known.limit_bytes = limit_bytes

    def _uses(self, projects: list[int], *, is_pass: bool = False) -> list[AreaUse]:
        return [self._use(project, self._areas[project], is_pass=is_pass) for project in projects]

    def _use(self, project: int, known: _Known, *, is_pass: bool) -> AreaUse:
        used = self.used(project)
        if is_pass:
            has_grown = used > known.used_bytes + _GROWTH_BYTES
            known.grows_for = _GROWING_PASSES if has_grown else max(0, known.grows_for - 1)
            known.used_bytes = used
        return AreaUse(project, known.mark.owner, used, known.mark.limit_bytes, known.grows_for > 0)

    def _run(self) -> None:
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._work, name="disk quotas", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            with self._lock:
                try:
                    self.settle()
                except OSError as error:
                    _log.warning("quotas of disk space are not dealt out anew: %s", error)
                if not self._limits:
                    self._thread = None
                    return


def _least(first: int | None, second: int | None) -> int | None:
    return min((limit for limit in (first, second) if limit is not None), default=None)
