"""How much of the resolver's one processor a container may use: a flood of questions slows its own answers, nobody else's."""

_SHARE = 0.3
_MOST_SECONDS = 0.1  # saved up while nothing was asked


class Budget:
    """Seconds of work, which come back with time. Reads no clock."""

    def __init__(self, now: float) -> None:
        self._left = _MOST_SECONDS
        self._at = now

    def spend(self, seconds: float, now: float) -> float:
        """Return for how many seconds to rest now; 0 for none."""
        self._left = min(_MOST_SECONDS, self._left + (now - self._at) * _SHARE) - seconds
        self._at = now
        return max(0.0, -self._left) / _SHARE
