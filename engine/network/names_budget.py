"""What a container may have of what all share: of the resolver's one processor, and of questions to the host's own resolvers.

A flood slows or fails its own answers, nobody else's. Nothing here reads a clock.
"""

_SHARE = 0.3
_MOST_SECONDS = 0.1  # saved up while nothing was asked


# As with new connections of its own (ruleset.py): each question is one in the host's table.
_FORWARDS_A_SECOND = 200
_MOST_FORWARDS = 2000


class Pace:
    """How often a container's questions may be put to others."""

    def __init__(self, now: float) -> None:
        self._left = float(_MOST_FORWARDS)
        self._at = now

    def take(self, now: float) -> bool:
        """Tell whether one more may go now."""
        self._left = min(_MOST_FORWARDS, self._left + (now - self._at) * _FORWARDS_A_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Budget:
    """Seconds of work, which come back with time."""

    def __init__(self, now: float) -> None:
        self._left = _MOST_SECONDS
        self._at = now

    def spend(self, seconds: float, now: float) -> float:
        """Return for how many seconds to rest now; 0 for none."""
        self._left = min(_MOST_SECONDS, self._left + (now - self._at) * _SHARE) - seconds
        self._at = now
        return max(0.0, -self._left) / _SHARE
