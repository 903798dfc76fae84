"""Sends what the agent has to say to the portal's queue."""

import logging
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

_log = logging.getLogger(__name__)
_QUEUE = "portal"
_PATIENT = {"max_retries": 60, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 2.0}


class Reporter:
    """``host`` is the name under which the portal knows this machine. Safe to use from all threads."""

    def __init__(self, application: Celery, *, host: str) -> None:
        self._application = application
        self._host = host

    def send(self, kind: str, message: dict[str, Any], *, is_patient: bool = True) -> None:
        """Send a message of ``kind`` (``job``, ``event``, ``survey``); an impatient one is dropped where Redis is away."""
        try:
            self._application.send_task(
                "portal.report",
                kwargs={"host": self._host, "kind": kind, "message": message},
                queue=_QUEUE,
                retry=is_patient,
                retry_policy=_PATIENT,
            )
        except OperationalError as error:
            # The portal asks again: jobs have deadlines, and labs are surveyed.
            _log.warning("a %s report is lost: %s", kind, error)
