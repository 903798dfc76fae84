"""Sorts the messages of agents: reports of jobs stay here, observations of a host go to whoever registered for them."""

import logging
from collections.abc import Callable
from typing import Any

from portal.jobs.reports import Progress, parse_report
from portal.jobs.services import finish_job, report_progress

_log = logging.getLogger(__name__)

Observer = Callable[[str, dict[str, Any]], None]
_observers: dict[str, list[Observer]] = {}


def register_observer(kind: str, observer: Observer) -> None:
    """Have ``observer(host name, message)`` called for messages of ``kind`` (``event``, ``survey``, ``usage``), in this order."""
    _observers.setdefault(kind, []).append(observer)


def take_message(*, host_name: str, kind: str, message: dict[str, Any]) -> None:
    if kind == "job":
        _take_job_report(message)
    elif kind in _observers:
        for observer in _observers[kind]:
            observer(host_name, message)
    else:
        _log.error("host %s sent a message of unknown kind %r", host_name, kind)


def _take_job_report(message: dict[str, Any]) -> None:
    report = parse_report(message)
    if isinstance(report, Progress):
        report_progress(report)
    else:
        finish_job(report)
