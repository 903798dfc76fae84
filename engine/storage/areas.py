"""Areas of tenants, and what is said when one is full.

Owns that whoever writes for a tenant writes into an area of its, and the one error that tells of a quota that is used up. Knows
neither containers nor images.
"""

import contextlib
import errno
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from engine.core.tenants import Tenant
from engine.errors import EngineError, QuotaExceeded
from engine.storage.disk import Disk
from engine.storage.disk_plain import PlainDisk

AREA = "disk"  # the area within a folder that holds records too
FULL = frozenset({errno.EDQUOT, errno.ENOSPC})
_NEARLY_BYTES = 2 << 20  # the kernel reserves more than it uses in the end: so near to a limit, that limit it was
_MIB = 1 << 20
_MOST_CAUSES = 16

LimitOf = Callable[[Tenant], int | None]


class Areas:
    """All methods may be called from any thread and may block."""

    def __init__(self, disk: Disk | None = None, *, limit_of: LimitOf = lambda _: None) -> None:
        """``limit_of`` tells how many bytes a team or a member may have by its own limit, if any."""
        self.disk = disk or PlainDisk("nobody asked for another")
        self._limit_of = limit_of
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

    def refusal(self, owner: Tenant, error: BaseException) -> QuotaExceeded | None:
        """Return what to say of an error that a full quota is the cause of; None for all others.

        To be asked before what was written is removed.
        """
        if full_cause(error) is None or isinstance(error, QuotaExceeded):
            return None
        for tenant in dict.fromkeys((owner, Tenant(owner.team))):
            limit = self._limit_of(tenant)
            used = self.disk.tenant_bytes(tenant) if limit is not None else None
            if limit is not None and used is not None and used + max(_NEARLY_BYTES, limit // 50) >= limit:
                return _exceeded(tenant, limit, used)
        return None


def _exceeded(tenant: Tenant, limit: int, used: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"disk quota of {tenant.name or 'the administrators'} is used up: {used / _MIB:.1f} of {limit / _MIB:.1f} MiB are taken;"
        " remove containers, volumes, images or what builds have left (prune), or ask for more",
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
