"""How many bytes of records each tenant has. They lie outside its disk quota, so that a full tenant keeps nobody from writing
one, and all stay in the daemon's memory: labels and variables without end would fill both for everybody.

Pure; whoever keeps the records says what each weighs.
"""

from collections import Counter

from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded

MOST_BYTES = 32 << 20  # a usual container's record has less than 8 KiB, a volume's less than one


class RecordShares:
    """The records of one kind. Not for several threads at once."""

    def __init__(self, kind: str, most_bytes: int = MOST_BYTES) -> None:
        self._kind = kind
        self._most_bytes = most_bytes
        self._weights: dict[str, tuple[Tenant, int]] = {}
        self._sums: Counter[Tenant] = Counter()

    def check(self, record_id: str, tenant: Tenant, size_bytes: int) -> None:
        """Look whether a record, new or in place of the one it has, may have that size. Raises QuotaExceeded."""
        _, before = self._weights.get(record_id, (tenant, 0))
        used = self._sums[tenant] - before
        if not tenant.is_administrator and size_bytes > before and used + size_bytes > self._most_bytes:
            raise QuotaExceeded(
                f"records of {self._kind} of {tenant.name} take {used >> 10} of {self._most_bytes >> 10} KiB, {size_bytes >> 10}"
                f" more are wanted: remove {self._kind} that nobody needs, or give them fewer labels and variables",
                resource=self._kind,
                limit=self._most_bytes,
                used=used,
                requested=size_bytes,
                tenant=tenant.name,
            )

    def put(self, record_id: str, tenant: Tenant, size_bytes: int) -> None:
        """Note what a record weighs now."""
        self.drop(record_id)
        self._weights[record_id] = (tenant, size_bytes)
        self._sums[tenant] += size_bytes

    def drop(self, record_id: str) -> None:
        """Forget a record; nothing for one that is not known."""
        tenant, size_bytes = self._weights.pop(record_id, (Tenant(), 0))
        self._sums[tenant] -= size_bytes
        if not self._sums[tenant]:
            del self._sums[tenant]
