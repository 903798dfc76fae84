"""From what an engine counts now and counted before to what was used between, by the hour. Pure."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# An amount holds for so long after somebody looked; what was in use while nobody did is not guessed.
_LONGEST_LOOK = timedelta(seconds=150)
_MOST_HOURS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """``cpu_seconds`` and ``refusals`` only grow while their counter lives; ``peak_memory`` too; the others are of the moment."""

    at: datetime
    cpu_seconds: float = 0.0
    memory: int = 0
    disk: int = 0
    peak_memory: int = 0
    refusals: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.timestamp()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Reading":
        return cls(**{**values, "at": datetime.fromtimestamp(values["at"], tz=UTC)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    cpu_seconds: float = 0.0
    memory_byte_seconds: float = 0.0
    disk_byte_seconds: float = 0.0
    peak_memory_bytes: int = 0
    refusals: int = 0

    @property
    def is_nothing(self) -> bool:
        return self == Used()


def read_view(view: dict[str, Any], at: datetime) -> Reading:
    """Read an engine's view of a tenant; what nobody counts there is 0."""
    usage, peak = view.get("usage") or {}, view.get("peak") or {}
    return Reading(
        at=at,
        cpu_seconds=float(usage.get("cpu_seconds") or 0),
        memory=int(usage.get("memory") or 0),
        disk=int(usage.get("disk") or 0),
        peak_memory=int(peak.get("memory") or 0),
        refusals=sum(int(count) for count in (view.get("refusals") or {}).values()),
    )


def used_between(before: Reading | None, after: Reading) -> Used:
    """Return what was used from ``before`` to ``after``. Of the first reading of all only the moment is known.

    A counter that is smaller than before began anew: what it shows was used since.
    """
    if before is None:
        return Used(peak_memory_bytes=after.memory)
    seconds = min(max(after.at - before.at, timedelta()), _LONGEST_LOOK).total_seconds()
    return Used(
        cpu_seconds=_grown(before.cpu_seconds, after.cpu_seconds),
        memory_byte_seconds=(before.memory + after.memory) / 2 * seconds,
        disk_byte_seconds=(before.disk + after.disk) / 2 * seconds,
        peak_memory_bytes=after.peak_memory if after.peak_memory > before.peak_memory else after.memory,
        refusals=int(_grown(before.refusals, after.refusals)),
    )


def _grown(before: float, after: float) -> float:
    return after - before if after >= before else after


def by_hour(used: Used, begin: datetime, end: datetime) -> dict[datetime, Used]:
    """Spread ``used`` evenly over the hours from ``begin`` to ``end``; what cannot be divided belongs to the last one."""
    last = hour_of(end)
    hours = _hours(max(hour_of(begin), last - timedelta(hours=_MOST_HOURS - 1)), last)
    lengths = {hour: (min(end, hour + timedelta(hours=1)) - max(begin, hour)).total_seconds() for hour in hours}
    whole = sum(lengths.values())
    shares = {hour: length / whole for hour, length in lengths.items() if length > 0} if whole > 0 else {last: 1.0}
    spread = {
        hour: Used(
            cpu_seconds=used.cpu_seconds * share,
            memory_byte_seconds=used.memory_byte_seconds * share,
            disk_byte_seconds=used.disk_byte_seconds * share,
        )
        for hour, share in shares.items()
    }
    newest = max(spread)
    share = spread[newest]
    spread[newest] = Used(
        cpu_seconds=share.cpu_seconds,
        memory_byte_seconds=share.memory_byte_seconds,
        disk_byte_seconds=share.disk_byte_seconds,
        peak_memory_bytes=used.peak_memory_bytes,
        refusals=used.refusals,
    )
    return spread


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hours(first: datetime, last: datetime) -> list[datetime]:
    return [first + timedelta(hours=at) for at in range(int((last - first).total_seconds() // 3600) + 1)]
