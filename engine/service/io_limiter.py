"""What the engine keeps for limits on input and output between two requests. Decides nothing about them."""

import asyncio
from pathlib import Path

from engine.errors import Unavailable
from engine.linux.block_devices import device_beneath
from engine.service.fair_threads import CommonLock
from engine.tenants.io_counts import IoCounts


class IoLimiter:
    """What is known of the host, what is under way, and what was counted. One for an engine."""

    def __init__(self) -> None:
        self.turn = CommonLock()  # whoever writes last has read the newest limits
        self.changing = asyncio.Lock()  # of what administrators set: one change at a time, whole
        self.counts = IoCounts()
        self._device: str | None = None

    def device(self, data_path: Path) -> str:
        """Return the device that containers' files lie on. Blocking. Raises Unavailable."""
        if self._device is None:
            self._device = device_beneath(data_path)
        if self._device is None:
            raise Unavailable("io limits cannot hold here: the data folder lies on no block device of its own, move it to one")
        return self._device
