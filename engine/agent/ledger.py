"""What this agent has done and is doing, so that a message that comes twice, or too late, does no harm.

Lives in memory: after a restart the expiry of messages and the labels on what jobs made do the same, less exactly.
"""

import threading
from collections import OrderedDict
from enum import Enum
from typing import Any, TypeVar

_REMEMBERED = 2000

Report = dict[str, Any]
Key = TypeVar("Key")
Value = TypeVar("Value")


class Admission(Enum):
    RUN = "run"
    BUSY = "busy"  # the same job is running here
    STALE = "stale"  # a later job of the same object has run


class Ledger:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._finished: OrderedDict[int, Report] = OrderedDict()
        self._latest: OrderedDict[str, int] = OrderedDict()

    def admit(self, job_id: int, object_key: str) -> Admission | Report:
        """Say what to do with a job; for one that is done, return its last report to be sent again."""
        with self._lock:
            if job_id in self._finished:
                return self._finished[job_id]
            if job_id in self._running:
                return Admission.BUSY
            if self._latest.get(object_key, 0) > job_id:
                return Admission.STALE
            self._running.add(job_id)
            _remember(self._latest, object_key, job_id)
            return Admission.RUN

    def finish(self, job_id: int, report: Report) -> None:
        with self._lock:
            self._running.discard(job_id)
            _remember(self._finished, job_id, report)


def _remember(entries: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    """Set and keep only the newest entries."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > _REMEMBERED:
        entries.popitem(last=False)
