"""The kernel's two tables of neighbours (arp(7), gc_thresh3), one for the whole host, each container's neighbours among them.

By default each has 1024 places: five hundred containers fill one by talking to their gateway, and a single one by asking for all
addresses of its subnet, after which nobody on the host finds a new neighbour. An entry that waits for an answer stays for three
seconds, and a subnet of a tenant has 65,536 addresses.
"""

import logging
from pathlib import Path

_log = logging.getLogger(__name__)
_PLACES = {"gc_thresh2": 1 << 16, "gc_thresh3": 1 << 17}  # 50 MB of the kernel's memory, once they are all taken
_SETTINGS = [Path(f"/proc/sys/net/{family}/neigh/default") for family in ("ipv4", "ipv6")]


def widen_neighbour_tables() -> None:
    """Make them larger where they are smaller. It stays so, as other programs may have come to rely on it."""
    for folder in _SETTINGS:
        for name, places in reversed(_PLACES.items()):
            _raise(folder / name, places)


def _raise(setting: Path, places: int) -> None:
    try:
        before = int(setting.read_text())
        if before < places:
            setting.write_text(str(places))
            _log.info("%s was %d and is now %d", setting, before, places)
    except FileNotFoundError:  # in a network namespace other than the first, or without IPv6
        return
    except OSError as error:
        _log.warning("%s stays as it is: %s; one container can fill the host's table of neighbours", setting, error)
