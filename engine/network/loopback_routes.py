"""Which bridges take packets that the host sends from its loopback (route_localnet), as ports published there need it.

The firewall keeps containers from the host's loopback in any case (``speaking`` in ruleset.py).
"""

from collections.abc import Iterable
from pathlib import Path

_SWITCH = "/proc/sys/net/ipv4/conf/{bridge}/route_localnet"


class LoopbackRoutes:
    """Used from one thread, in its network namespace."""

    def __init__(self, bridges: Iterable[str]) -> None:
        """``bridges`` may have been switched by a daemon before this one."""
        self._switched = set(bridges)

    def settle(self, wanted: Iterable[str]) -> None:
        """Switch on what is ``wanted``, and off what no longer is. Raises OSError."""
        kept = set(wanted)
        for bridge in self._switched - kept:
            _switch(bridge, "0")
        for bridge in kept:
            _switch(bridge, "1")  # also again: the bridge may have been made anew
        self._switched = kept


def _switch(bridge: str, value: str) -> None:
    path = Path(_SWITCH.format(bridge=bridge))
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except FileNotFoundError:
        return  # a bridge is made when its network is first needed
