"""The Celery application of the agent: settings, the two tasks, and the thread that follows the engine's events."""

import threading
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from engine.agent.events import follow_events
from engine.agent.heartbeat import Heartbeat
from engine.agent.jobs import Job, JobRunner
from engine.agent.reports import Reporter
from engine.agent.survey import survey
from engine.agent.usage import UsageReports


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """``engine`` is an address such as ``unix:///run/atelier/engine.sock``."""

    host: str
    broker: str
    engine: str
    concurrency: int = 8
    log_level: str = "INFO"

    @property
    def queue(self) -> str:
        return f"host.{self.host}"


def make_application(settings: AgentSettings) -> Celery:
    """Return the application with its tasks; nothing is connected yet."""
    application = Celery("agent", broker=settings.broker)
    application.conf.update(
        task_acks_late=True,
        task_ignore_result=True,
        task_default_queue=settings.queue,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # A message that an agent took into its grave is found again after this long, and has expired by then.
        broker_transport_options={"visibility_timeout": 60, "socket_connect_timeout": 2},
    )
    reporter = Reporter(application, host=settings.host)
    usage = UsageReports(settings.engine, reporter)
    runner = JobRunner(engine=settings.engine, reporter=reporter, heartbeat=Heartbeat(), usage=usage)
    _add_tasks(application, settings, runner, reporter, usage)
    _follow_when_ready(application, settings, reporter)
    return application


def _add_tasks(application: Celery, settings: AgentSettings, runner: JobRunner, reporter: Reporter, usage: UsageReports) -> None:
    @application.task(name="engine.run")
    def run(**message: Any) -> None:
        runner.run(Job.parse(message))

    @application.task(name="engine.survey")
    def take_survey() -> None:
        survey(settings.engine, reporter)
        usage.send()


def _follow_when_ready(application: Celery, settings: AgentSettings, reporter: Reporter) -> None:
    """Start the follower with the worker, and not where the application is only imported."""

    def start(**_: Any) -> None:
        threading.Thread(target=follow_events, args=(settings.engine, reporter), name="events", daemon=True).start()

    worker_ready.connect(start, weak=False, dispatch_uid=f"atelier.events.{settings.host}")
