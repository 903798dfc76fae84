"""Whether this host can limit network rates, by making what that takes in a network namespace that goes at once."""

from concurrent.futures import ThreadPoolExecutor

from engine.errors import reason_of
from engine.linux.namespaces import CLONE_NEWNET, unshare
from engine.network.rate_tree import RateTree

_INSTANCE = "000000"
NEEDED = "the kernel's ifb, HTB, cls_bpf and act_mirred"


def rates_refused() -> str:
    """Return why not; empty where it can. Blocking."""
    with ThreadPoolExecutor(1) as thread:  # of its own, which ends there
        return thread.submit(_try).result()


def _try() -> str:
    try:
        unshare(CLONE_NEWNET)
        tree = RateTree(_INSTANCE)
        try:
            tree.probe()
        finally:
            tree.close()
    except OSError as error:
        return reason_of(error)
    return ""
