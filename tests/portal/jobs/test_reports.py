"""What is read from an agent's message."""

import pytest

from portal.jobs.models import JobState
from portal.jobs.reports import Finish, Progress, parse_report


def test_a_running_report_is_progress() -> None:
    report = parse_report({"job_id": 7, "attempt": 1, "sequence": 3, "state": "running", "percent": 20, "line": "x"})
    assert report == Progress(job_id=7, attempt=1, sequence=3, percent=20, line="x")


@pytest.mark.parametrize(
    ("state", "expected"), [("completed", JobState.COMPLETED), ("failed", JobState.FAILED), ("errored", JobState.ERRORED)]
)
def test_every_end_is_read(state: str, expected: JobState) -> None:
    report = parse_report({"job_id": 7, "state": state, "error_kind": "refused", "error_message": "no"})
    assert report == Finish(job_id=7, state=expected, error_kind="refused", error_message="no")


def test_an_unknown_state_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown state 'pending'"):
        parse_report({"job_id": 7, "state": "pending"})
