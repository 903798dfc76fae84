"""Restart policies: whether a container that has ended is started again, and after how long.

Pure: the rules of Docker's restart manager as functions of what happened.
"""

from dataclasses import dataclass

from engine.errors import InvalidParameter

NAMES = ("no", "on-failure", "always", "unless-stopped")
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 60.0
STEADY_SECONDS = 10.0  # whoever ran this long begins with the first delay again


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """``maximum_retry_count`` goes with ``on-failure`` only; 0 is no maximum."""

    name: str = "no"
    maximum_retry_count: int = 0

    @property
    def is_none(self) -> bool:
        return self.name == "no"


def parse_restart_policy(name: str, maximum_retry_count: int) -> RestartPolicy:
    """Read Docker's two fields; an empty name is ``no``. Raises InvalidParameter."""
    if name and name not in NAMES:
        raise InvalidParameter(f"invalid restart policy {name[:60]!r}: use no, on-failure, always or unless-stopped")
    if maximum_retry_count < 0 or (maximum_retry_count and name != "on-failure"):
        raise InvalidParameter(f"invalid MaximumRetryCount {maximum_retry_count}: it goes with restart policy on-failure only")
    return RestartPolicy(name or "no", maximum_retry_count)


def wants_restart(policy: RestartPolicy, *, exit_code: int | None, restart_count: int, is_stopped_by_hand: bool) -> bool:
    """Whether a container that has just ended is to be started again. A code that nobody saw counts as a failure."""
    if is_stopped_by_hand:
        return False
    if policy.name == "on-failure":
        has_tries = policy.maximum_retry_count == 0 or restart_count < policy.maximum_retry_count
        return exit_code != 0 and has_tries
    return not policy.is_none


def wants_start_with_daemon(policy: RestartPolicy, *, is_stopped_by_hand: bool) -> bool:
    """Whether a container that ended long ago is to be started when the daemon is."""
    return policy.name == "always" or (policy.name == "unless-stopped" and not is_stopped_by_hand)


def next_delay_seconds(previous: float | None, *, ran_seconds: float) -> float:
    """Return how long to wait: twice as long each time, up to a minute."""
    if previous is None or ran_seconds >= STEADY_SECONDS:
        return FIRST_DELAY_SECONDS
    return min(2 * previous, LONGEST_DELAY_SECONDS)
