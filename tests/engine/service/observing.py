"""What tests of a container's life look at: states, events, and incidents that the engine has to survive."""

import json
import time
from typing import Any
from urllib.parse import urlencode

from tests.engine.daemon import EngineDaemon, wait_until


def state(engine: EngineDaemon, name: str) -> str:
    """Return the state in one word."""
    return str(engine.inspect(name)["State"]["Status"])


def wait_for_state(engine: EngineDaemon, name: str, wanted: str) -> None:
    """Look until the container has got there."""
    wait_until(lambda: state(engine, name) == wanted, f"{name} to be {wanted}", hint=lambda: str(engine.inspect(name)["State"]))


def events(engine: EngineDaemon, since: float, name: str) -> list[dict[str, Any]]:
    """Return what has happened to a container since a moment."""
    query = urlencode({"since": f"{since:.6f}", "until": f"{time.time():.6f}", "filters": json.dumps({"container": [name]})})
    lines = engine.request("GET", f"/events?{query}").body.splitlines()
    return [json.loads(line) for line in lines]


def actions(engine: EngineDaemon, since: float, name: str) -> list[str]:
    """Return the actions alone."""
    return [event["Action"] for event in events(engine, since, name)]


def post(engine: EngineDaemon, path: str, body: object = None, *, tenant: str = "") -> int:
    """POST and return the status."""
    return engine.request("POST", path, body, tenant=tenant).status


def kill_daemon(engine: EngineDaemon) -> None:
    """SIGKILL the daemon and start the next one."""
    engine.kill()
    engine.start()
