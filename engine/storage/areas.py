"""Areas of tenants, and what is said when one is full.

Owns that whoever writes for a tenant writes into an area of its, and the one error that tells of a quota that is used up. Knows
neither containers nor images.
"""

import contextlib
import errno
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from engine.core.quota_words import refusal_text
from engine.core.tenants import Tenant
from engine.errors import EngineError, QuotaExceeded
from engine.storage.disk import Disk
from engine.storage.disk_plain import PlainDisk

AREA = "disk"  # the area within a folder that holds records too
FULL = frozenset({errno.EDQUOT, errno.ENOSPC})
_NEARLY_BYTES = 2 << 20  # the kernel reserves more than it uses in the end: so near to a limit, that limit it was
_LENT_BYTES = 1 << 20
_MOST_CAUSES = 16

LimitOf = Callable[[Tenant], int | None]
Note = Callable[[Tenant, QuotaExceeded], None]


class Areas:
    """All methods may be called from any thread and may block."""

    def __init__(
        self, disk: Disk | None = None, *, limit_of: LimitOf = lambda _: None, note_refusal: Note = lambda *_: None
    ) -> None:
        """``limit_of`` tells how many bytes a team or a member may have by its own limit, if any.

        ``note_refusal`` is told who was refused what.
        """
        self.disk = disk or PlainDisk("nobody asked for another")
        self._limit_of = limit_of
        self._note_refusal = note_refusal
        self._lock = threading.Lock()
        self._lent: Counter[Tenant] = Counter()
        self.layers: Callable[[], Collection[Path]] = tuple  # whoever has them says which there are

    def make(
        self, path: Path, *, owner: Tenant, limit_bytes: int | None = None, apart_from: Collection[Path] | None = None
    ) -> None:
        """Make an empty area that only the engine can enter. Raises QuotaExceeded, OSError, Unavailable for the limit.

        Its files will have other inode numbers than those of the layers that it is put on; without them, than of any layer.
        """
        layers = self.layers() if apart_from is None else apart_from
        with self.charged(owner):
            self.disk.make_area(path, owner=owner, limit_bytes=limit_bytes, apart_from=layers)

    @contextlib.contextmanager
    def charged(self, owner: Tenant) -> Iterator[None]:
        """Writing on a tenant's account. Whatever fails since its quota is used up raises QuotaExceeded."""
        try:
            yield
        except (OSError, EngineError) as error:
            refusal = self.refusal(owner, error)
            if refusal is None:
                raise
            raise refusal from error

    def lend_room(self, area: Path, *, owner: Tenant, limit_bytes: int | None) -> bool:
        """Before an overlay is mounted on a full area, let it have a little more; say whether that was needed.

        Each mount makes a folder in it, and without room for that the kernel mounts it read-only: nobody could clear it.
        The most that anybody gains is that little, however often. To be taken back; a daemon that dies first leaves it until it
        sets the limits anew. Raises QuotaExceeded where even that would not be enough, OSError.
        """
        if not self.disk.has_limits:
            return False
        limits = self._limits(owner)
        for tenant, limit in limits.items():
            if (self.disk.tenant_bytes(tenant) or 0) > limit + _LENT_BYTES // 2:
                refusal = _exceeded(tenant, limit, self.disk.tenant_bytes(tenant) or 0)
                self._note_refusal(owner, refusal)
                raise refusal
        is_full = any((self.disk.tenant_bytes(tenant) or 0) + _LENT_BYTES > limit for tenant, limit in limits.items())
        if not is_full and (limit_bytes is None or (self.disk.area_bytes(area) or 0) + _LENT_BYTES <= limit_bytes):
            return False
        with self._lock:
            for tenant, limit in limits.items():
                self._lent[tenant] += 1
                self.disk.limit_tenant(tenant, limit + _LENT_BYTES)
        if limit_bytes is not None:
            self.disk.limit_area(area, limit_bytes + _LENT_BYTES)
        return True

    def take_room_back(self, area: Path, *, owner: Tenant, limit_bytes: int | None) -> None:
        """After ``lend_room`` has said yes. Raises OSError."""
        with self._lock:
            for tenant in [one for one in self._scopes(owner) if self._lent[one]]:
                self._lent[tenant] -= 1
                if self._lent[tenant] <= 0:
                    del self._lent[tenant]
                    self.disk.limit_tenant(tenant, self._limit_of(tenant))
        if limit_bytes is not None:
            self.disk.limit_area(area, limit_bytes)

    def _scopes(self, owner: Tenant) -> list[Tenant]:
        return list(dict.fromkeys((owner, Tenant(owner.team))))

    def _limits(self, owner: Tenant) -> dict[Tenant, int]:
        return {tenant: limit for tenant in self._scopes(owner) if (limit := self._limit_of(tenant)) is not None}

    def refusal(self, owner: Tenant, error: BaseException) -> QuotaExceeded | None:
        """Return what to say of an error that a full quota is the cause of; None for all others.

        To be asked before what was written is removed.
        """
        if full_cause(error) is None or isinstance(error, QuotaExceeded):
            return None
        for tenant, limit in self._limits(owner).items():
            used = self.disk.tenant_bytes(tenant)
            if used is not None and used + max(_NEARLY_BYTES, limit // 50) >= limit:
                refusal = _exceeded(tenant, limit, used)
                self._note_refusal(owner, refusal)
                return refusal
        return None


def _exceeded(tenant: Tenant, limit: int, used: int) -> QuotaExceeded:
    return QuotaExceeded(
        refusal_text("disk", tenant=tenant.name, limit=limit, used=used, requested=0),
        resource="disk",
        limit=limit,
        used=used,
        requested=0,
        tenant=tenant.name,
    )


def full_cause(error: BaseException) -> OSError | None:
    """Return the refusal of a disk or quota that an error comes from."""
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if isinstance(cause, OSError) and cause.errno in FULL:
            return cause
        if cause is None:
            return None
        cause = cause.__cause__
    return None
