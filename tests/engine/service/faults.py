"""What tests of faults share: killing a part of the engine, putting it back, and holding its records against the kernel."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.engine.daemon import EngineDaemon, wait_until

VICTIMS = ("daemon", "supervisor", "both")


def strike(engine: EngineDaemon, victim: str) -> None:
    """SIGKILL; then start again what died, and wait until it serves."""
    supervisor = engine.supervisor_pid()
    assert supervisor is not None
    if victim == "both":
        os.kill(engine.pid, signal.SIGSTOP)  # so that it cannot start another supervisor in between
    if victim != "daemon":
        os.kill(supervisor, signal.SIGKILL)
    if victim != "supervisor":
        engine.kill()
        engine.start()
    # Served only once a supervisor has been handed everything.
    wait_until(lambda: engine.cli("run", "--rm", "busybox", "true").returncode == 0, "the engine to serve")


def assert_truthful(engine: EngineDaemon) -> None:
    """Each record says what the kernel says: who runs, in which cgroup, and that nobody else does."""
    wait_until(lambda: not lies(engine), "the records to be true", hint=lambda: str(lies(engine)))


def lies(engine: EngineDaemon) -> list[str]:
    """Return what records say of containers and is not so."""
    containers = [engine.inspect(found["Id"]) for found in engine.request("GET", "/containers/json?all=1").document]
    alive = {found["Id"]: found["State"]["Pid"] for found in containers if found["State"]["Running"]}
    folders = {path.name for path in (engine.data_path / "engine" / "containers").iterdir()}
    found = [_lie_about(container) for container in containers]
    found += [f"cgroup of {name}" for name in container_cgroups(engine) - alive.keys()]
    found += [f"folder of {name}" for name in folders ^ {container["Id"] for container in containers}]
    return [lie for lie in found if lie]


def _lie_about(container: Any) -> str:
    state, name = container["State"], container["Id"]
    if state["Running"]:
        return "" if name in _membership(state["Pid"]) else f"{name} does not run as {state['Pid']}"
    return "" if state["Pid"] == 0 else f"{name} is {state['Status']} with a process"


def _membership(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""


def container_cgroups(engine: EngineDaemon) -> set[str]:
    """Ids of the containers that have a cgroup."""
    roots = [
        *Path("/sys/fs/cgroup").glob(f"*/atelier-{engine.instance}"),
        *Path("/sys/fs/cgroup").glob(f"atelier-{engine.instance}"),
    ]
    # Folders go while they are walked through, which Path.glob takes for an error.
    folders = (name for root in roots for _, names, _ in os.walk(root) for name in names)
    return {name.removeprefix("c-") for name in folders if name.startswith("c-")}
