"""Who may have more of something that is counted or measured: quotas of members and of teams, and what they refused.

Owns the decision, the count of refusals and the last one of each tenant, nothing of what is used: whoever takes something says
how much there is, in the very step that takes it, so that of many who ask at once no more than fit are let in.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from engine.core.admitting import Used
from engine.core.quota_words import refusal_text, too_large_text
from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded
from engine.tenants.store import TenantStore

Names = Callable[[Tenant, str], Sequence[str]]  # what of its own a tenant could do without, most helpful first


def no_names(_tenant: Tenant, _resource: str) -> Sequence[str]:
    """Name nothing."""
    return ()


class Admission:
    """All methods may be called from any thread and never wait."""

    def __init__(self, store: TenantStore, *, names: Names = no_names) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._refused: dict[Tenant, Counter[str]] = {}
        self._last: dict[Tenant, Mapping[str, object]] = {}
        self.names = names

    def admit(self, tenant: Tenant, resource: str, *, requested: float | Used, used: Used) -> None:
        """Let a tenant have ``requested`` more, or raise QuotaExceeded with what is left and what would help.

        Its own quota is looked at first, then its team's. Both are asked for those only that have one. Who takes nothing more is
        let in, also where there is too much already.
        """
        for scope in tenant.scopes:
            limit = self.limit(scope, resource)
            if limit is None:
                continue
            more = requested(scope) if callable(requested) else requested
            if more > 0 and (now := used(scope)) + more > limit:
                names = self.names(tenant, resource)
                text = refusal_text(resource, tenant=scope.name, limit=limit, used=now, requested=more, names=names)
                raise self._refusal(tenant, resource, text, scope=scope, limit=limit, used=now, requested=more)

    def check_size(self, tenant: Tenant, resource: str, requested: float) -> None:
        """Raise QuotaExceeded for what could not be had even if nothing else were there."""
        for scope in tenant.scopes:
            limit = self.limit(scope, resource)
            if limit is not None and requested > limit:
                text = too_large_text(resource, tenant=scope.name, limit=limit, requested=requested)
                raise self._refusal(tenant, resource, text, scope=scope, limit=limit, used=0, requested=requested)

    def limit(self, scope: Tenant, resource: str) -> float | None:
        """Return the quota that a team or a member has of its own."""
        limit: float | None = getattr(self._store.limits(scope), resource)
        return limit

    def has_limit(self, tenant: Tenant, resource: str) -> bool:
        """Whether any quota holds for what the tenant takes of it."""
        return any(self.limit(scope, resource) is not None for scope in tenant.scopes)

    def refusals(self, tenant: Tenant) -> dict[str, int]:
        """Return how often a tenant, or a member of it, was refused each resource since the daemon's start."""
        with self._lock:
            return dict(self._refused.get(tenant, ()))

    def last_refusal(self, tenant: Tenant) -> Mapping[str, object] | None:
        """Return the figures of the tenant's own last refusal since the daemon's start; a member's are not its team's."""
        with self._lock:
            return self._last.get(tenant)

    def note_refusal(self, tenant: Tenant, refusal: QuotaExceeded) -> None:
        """Count one that was refused elsewhere: by the disk, or by a bound that all have."""
        with self._lock:
            for scope in tenant.scopes:
                self._refused.setdefault(scope, Counter())[refusal.resource] += 1
            if tenant.scopes:
                self._last[tenant] = refusal.figures

    def _refusal(
        self, tenant: Tenant, resource: str, text: str, *, scope: Tenant, limit: float, used: float, requested: float
    ) -> QuotaExceeded:
        refusal = QuotaExceeded(text, resource=resource, limit=limit, used=used, requested=requested, tenant=scope.name)
        self.note_refusal(tenant, refusal)
        return refusal
