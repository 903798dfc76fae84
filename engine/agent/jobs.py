"""Runs a job: admit it, let its action do the work, report its course and its end."""

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from docker import APIClient

from engine.agent import debian, labs, shell, tenants, workloads
from engine.agent.client import open_client
from engine.agent.failures import ActionFailed, Failure, explain, is_outage
from engine.agent.heartbeat import Heartbeat
from engine.agent.ledger import Admission, Ledger
from engine.agent.reports import Reporter
from engine.agent.takers import list_takers
from engine.agent.usage import UsageReports

_log = logging.getLogger(__name__)

# A restart of the engine takes a second or two: a job that began before it need not fail.
_PATIENCE_SECONDS = 15.0
_PAUSE_SECONDS = 0.3

Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A message of queue ``host.<name>``. ``attempt`` counts its deliveries."""

    job_id: int
    attempt: int
    action: str
    object_key: str
    tenant: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> "Job":
        return cls(
            job_id=int(message["job_id"]),
            attempt=int(message["attempt"]),
            action=str(message["action"]),
            object_key=str(message["object_key"]),
            tenant=str(message["tenant"]),
            parameters=dict(message["parameters"]),
        )


Progress = Callable[[str, int | None], None]
Action = Callable[[APIClient, Job, Progress], Result]

ACTIONS: Mapping[str, Action] = {
    "lab.start": lambda client, job, progress: labs.start(client, job_id=job.job_id, parameters=job.parameters),
    "lab.stop": lambda client, job, progress: labs.stop(client, parameters=job.parameters),
    "container.start": lambda client, job, progress: workloads.start_container(client, job.parameters),
    "container.stop": lambda client, job, progress: workloads.stop_container(client, job.parameters),
    "container.remove": lambda client, job, progress: workloads.remove_container(client, job.parameters),
    "containers.stop": lambda client, job, progress: workloads.stop_all(client, job.parameters),
    "image.remove": lambda client, job, progress: workloads.remove_image(client, job.parameters),
    "volume.remove": lambda client, job, progress: workloads.remove_volume(client, job.parameters),
    "network.remove": lambda client, job, progress: workloads.remove_network(client, job.parameters),
    "lab.remove": lambda client, job, progress: labs.remove(client, parameters=job.parameters),
    "tenant.set_limits": lambda client, job, progress: tenants.set_limits(client, job.parameters),
    "tenant.delete_limits": lambda client, job, progress: tenants.delete_limits(client, job.parameters),
    "image.import_shell": lambda client, job, progress: shell.import_image(client, str(job.parameters["reference"])),
    "image.bootstrap_debian": lambda client, job, progress: debian.bootstrap(client, job.parameters, progress),
}


class JobRunner:
    def __init__(self, *, engine: str, reporter: Reporter, heartbeat: Heartbeat, usage: UsageReports) -> None:
        self._engine = engine
        self._usage = usage
        self._reporter = reporter
        self._heartbeat = heartbeat
        self._ledger = Ledger()

    def run(self, job: Job) -> None:
        """Do a job unless it is done, under way or overtaken; a done one is only reported again."""
        admission = self._ledger.admit(job.job_id, job.object_key)
        if admission is Admission.RUN:
            self._run_admitted(job)
        elif isinstance(admission, dict):
            self._reporter.send("job", admission)
        else:
            _log.info("job %s is left out: %s", job.job_id, admission.value)

    def _run_admitted(self, job: Job) -> None:
        progress = self._make_progress(job)
        progress("", None)
        with self._heartbeat.beating(lambda: progress("", None)):
            report = {"job_id": job.job_id, "attempt": job.attempt, **self._attempt(job, progress)}
        self._ledger.finish(job.job_id, report)
        self._reporter.send("job", report)
        if job.action.startswith("tenant."):
            self._usage.send_soon()

    def _make_progress(self, job: Job) -> Progress:
        numbers = itertools.count(1)

        def progress(line: str, percent: int | None) -> None:
            message = {"job_id": job.job_id, "attempt": job.attempt, "sequence": next(numbers), "state": "running"}
            self._reporter.send("job", {**message, "line": line, "percent": percent}, is_patient=False)

        return progress

    def _attempt(self, job: Job, progress: Progress) -> Result:
        """Return the end of the report. While the engine is away the action is tried again: all of them may be repeated."""
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return {"state": "completed", "result": self._act(job, progress)}
            except Exception as error:
                if not is_outage(error) or time.monotonic() > give_up_at:
                    failure = self._advise(job, explain(error))
                    return failure.as_report()
                time.sleep(_PAUSE_SECONDS)

    def _advise(self, job: Job, failure: Failure) -> Failure:
        """Name beside a refused quota who takes most of what was short."""
        if not failure.quota:
            return failure
        with open_client(self._engine, job.tenant) as client:
            takers = list_takers(client, str(failure.quota.get("resource")))
        return replace(failure, quota={**failure.quota, "takers": takers})

    def _act(self, job: Job, progress: Progress) -> Result:
        action = ACTIONS.get(job.action)
        if action is None:
            raise ActionFailed("refused", f"this agent does not know the action {job.action}")
        with open_client(self._engine, job.tenant) as client:
            return action(client, job, progress)
