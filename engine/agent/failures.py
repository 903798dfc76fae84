"""From exceptions to the end of a job: ``failed`` where the reason is known, ``errored`` for a bug or an outage."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from docker.errors import APIError
from requests.exceptions import ConnectionError as EngineUnreachable
from requests.exceptions import Timeout

_log = logging.getLogger(__name__)

_KINDS = {400: "refused", 403: "refused", 404: "refused", 409: "conflict", 501: "refused"}


@dataclass(frozen=True, slots=True)
class Failure:
    """``state`` is ``failed`` or ``errored``; ``kind`` is for programs, ``message`` for people who know the host.

    ``quota`` is what the engine tells beside a refused quota: ``resource``, ``limit``, ``used``, ``requested``, ``tenant``.
    """

    state: str
    kind: str
    message: str
    quota: Mapping[str, object] = field(default_factory=dict)

    def as_report(self) -> dict[str, object]:
        """Return the end of a job's report."""
        report: dict[str, object] = {"state": self.state, "error_kind": self.kind, "error_message": self.message}
        return {**report, "result": {"quota": dict(self.quota)}} if self.quota else report


class ActionFailed(Exception):
    """An action that knows why it cannot be done."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def is_outage(error: Exception) -> bool:
    """Whether the engine may answer if it is asked again in a moment."""
    return isinstance(error, EngineUnreachable | Timeout) or (isinstance(error, APIError) and error.status_code == 503)


def explain(error: Exception) -> Failure:
    """Name a failure. Bugs are logged here with their traceback, since nobody else sees it."""
    if isinstance(error, ActionFailed):
        return Failure("failed", error.kind, error.message)
    if is_outage(error):
        return Failure("errored", "engine_unreachable", "the engine does not answer on its socket")
    if isinstance(error, APIError):
        return _explain_answer(error)
    _log.error("a job broke", exc_info=error)
    return Failure("errored", "bug", f"{type(error).__name__}: {error}")


def _explain_answer(error: APIError) -> Failure:
    message = str(error.explanation or error)
    if "no such image" in message.lower():
        return Failure("failed", "image_missing", message)
    kind = _KINDS.get(error.status_code or 500)
    if kind is None:
        return Failure("errored", "bug", message)
    if error.status_code == 400 and "exec:" in message:
        kind = "command_not_runnable"
    quota = _read_quota(error) if error.status_code == 403 else {}
    return Failure("failed", "quota" if quota else kind, message, quota)


def _read_quota(error: APIError) -> dict[str, object]:
    """Return the figures in the engine's answer; empty where it refused for another reason."""
    try:
        body = error.response.json() if error.response is not None else None
    except ValueError:
        return {}
    quota = body.get("quota") if isinstance(body, dict) else None
    return dict(quota) if isinstance(quota, dict) else {}
