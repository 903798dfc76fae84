"""The limits of a tenant: what each is called, and which values it takes. Values only."""

from dataclasses import dataclass, fields
from typing import get_type_hints

from engine.core.limits import MEMORY_LEAST_BYTES, NETWORK_LEAST_BPS, NETWORK_MOST_BPS
from engine.errors import InvalidParameter

_MOST = 2**53  # what every JSON reader holds as a whole number
_MOST_CPUS = 65_536.0
DISK_LEAST_BYTES = 2**20  # below this not even the files that the engine makes for a container fit


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Ceilings of a team or a member over all that it has; None: no limit of its own.

    ``memory``, ``swap``, ``disk``, ``image_bytes`` are bytes, ``_bps`` bytes and ``_iops`` operations a second, the rest counts.
    """

    cpus: float | None = None
    memory: int | None = None
    swap: int | None = None
    disk: int | None = None
    image_bytes: int | None = None
    pids: int | None = None
    containers: int | None = None
    running: int | None = None
    images: int | None = None
    volumes: int | None = None
    networks: int | None = None
    ports: int | None = None
    io_read_bps: int | None = None
    io_write_bps: int | None = None
    io_read_iops: int | None = None
    io_write_iops: int | None = None
    network_in_bps: int | None = None
    network_out_bps: int | None = None


NO_LIMITS = TenantLimits()
LIMIT_NAMES = tuple(field.name for field in fields(TenantLimits))
_LEAST = {
    "memory": MEMORY_LEAST_BYTES,
    "disk": DISK_LEAST_BYTES,
    "network_in_bps": NETWORK_LEAST_BPS,
    "network_out_bps": NETWORK_LEAST_BPS,
}
_MOST_OPERATIONS = 2**32 - 1  # a second: the kernel keeps 32 bits
_ARE_FRACTIONS = frozenset(name for name, hint in get_type_hints(TenantLimits).items() if hint == float | None)


def parse_tenant_limits(values: dict[str, object]) -> TenantLimits:
    """Read limits as JSON has them, a null counting as absent. Raises InvalidParameter with field, value and way out."""
    for name, value in values.items():
        if name not in LIMIT_NAMES:
            raise InvalidParameter(f"unknown limit {name[:60]!r}: use {', '.join(LIMIT_NAMES)}")
        if value is not None:
            _check(name, value)
    return TenantLimits(**{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type] # checked


def _check(name: str, value: object) -> None:
    is_fraction = name in _ARE_FRACTIONS
    if isinstance(value, bool) or not isinstance(value, (int, float) if is_fraction else int):
        kind = "a number" if is_fraction else "a whole number"
        raise InvalidParameter(f"invalid limit {name} {str(value)[:60]!r}: use {kind}, or null for no limit")
    least, most = (0.01, _MOST_CPUS) if is_fraction else (_LEAST.get(name, _least_of(name)), _most_of(name))
    if not least <= value <= most:
        raise InvalidParameter(f"invalid limit {name} {value}: use {least} to {most}, or null for no limit")


def _most_of(name: str) -> int:
    if name.startswith("network_"):
        return NETWORK_MOST_BPS
    return _MOST_OPERATIONS if name.endswith("_iops") else _MOST


def _least_of(name: str) -> int:
    """Nothing at all is a sensible count, but no rate."""
    return 1 if name.startswith("io_") else 0
