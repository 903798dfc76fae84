"""Tells the portal what tenants use and hold on this host, and how large the host is."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError
from requests.exceptions import RequestException

from engine.agent.client import open_client
from engine.agent.reports import Reporter
from engine.agent.tenants import list_tenants

_PAUSE_SECONDS = 0.5
_PID_MAX = Path("/proc/sys/kernel/pid_max")


class UsageReports:
    """``send`` at once; ``send_soon`` after a moment, once for all that ask within it: a class's quotas change together."""

    def __init__(self, engine: str, reporter: Reporter) -> None:
        self._engine = engine
        self._reporter = reporter
        self._lock = threading.Lock()
        self._is_due = False

    def send(self) -> None:
        """Send one report; an engine that does not answer has nothing to say, and the next report comes."""
        try:
            self._reporter.send("usage", take_usage(self._engine))
        except (RequestException, APIError):
            return

    def send_soon(self) -> None:
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
        timer = threading.Timer(_PAUSE_SECONDS, self._send_due)
        timer.daemon = True
        timer.start()

    def _send_due(self) -> None:
        with self._lock:
            self._is_due = False
        self.send()


def take_usage(engine: str) -> dict[str, Any]:
    """Return ``{"observed_at_ns", "capacity", "tenants"}``; the latter as the engine lists them."""
    # Taken before the list: a change that is acknowledged later than this is not contradicted by it.
    observed_at_ns = time.time_ns()
    with open_client(engine) as client:
        return {"observed_at_ns": observed_at_ns, "capacity": _capacity(client), "tenants": list_tenants(client)}


def _capacity(client: APIClient) -> dict[str, float | None]:
    info = client.info()
    return {
        "cpus": info["NCPU"],
        "memory": info["MemTotal"],
        "disk": _disk_bytes(str(info.get("DockerRootDir") or "")),
        "pids": int(_PID_MAX.read_text()) if _PID_MAX.exists() else None,
    }


def _disk_bytes(path: str) -> int | None:
    """Return the size of the file system with the engine's data; None where the agent cannot see it."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_blocks * found.f_frsize
