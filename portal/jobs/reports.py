"""What an agent reports of a job, read from the message. Refuses what no agent of ours would send."""

from dataclasses import dataclass, field
from typing import Any

from portal.jobs.models import JobState

_FINISHES = {"completed": JobState.COMPLETED, "failed": JobState.FAILED, "errored": JobState.ERRORED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    job_id: int
    attempt: int
    sequence: int
    percent: int | None = None
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    job_id: int
    state: JobState
    result: dict[str, Any] = field(default_factory=dict)
    error_kind: str = ""
    error_message: str = ""


def parse_report(message: dict[str, Any]) -> Progress | Finish:
    """Read ``{"job_id", "attempt", "sequence", "state", …}``; raises ValueError naming what is wrong."""
    job_id, state = int(message["job_id"]), str(message.get("state"))
    if state == "running":
        percent = message.get("percent")
        return Progress(
            job_id=job_id,
            attempt=int(message["attempt"]),
            sequence=int(message["sequence"]),
            percent=None if percent is None else int(percent),
            line=str(message.get("line") or ""),
        )
    if state not in _FINISHES:
        raise ValueError(f"job {job_id}: unknown state {state!r} in a report")
    return Finish(
        job_id=job_id,
        state=_FINISHES[state],
        result=dict(message.get("result") or {}),
        error_kind=str(message.get("error_kind") or "")[:40],
        error_message=str(message.get("error_message") or "")[:2000],
    )
