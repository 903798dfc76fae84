# ruff: noqa: PTH109, PTH115, PTH208
"""A supervisor's stand-in for the launch tests: does one launch as told on standard input and prints what came of it.

Run as the supervisor is run, `python -S -E`, and without pathlib as there, so that a test notices when something needs more.
"""

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

sys.path.insert(0, os.getcwd())

from engine.core.launch import ExecSpec
from engine.runtime import launch, reaper, steps
from engine.runtime.launch import Launched, LaunchError, MountCache, create_container, enter_container, release, remove_cgroups
from engine.runtime.overlay import mount_overlay

_PATIENCE_SECONDS = 20.0


def main() -> None:
    order = json.load(sys.stdin)
    cache = MountCache()
    cache.userns(order["container"]["ids"])
    cache.device_program()
    if order["by_path"]:
        launch.mount_overlay = partial(mount_overlay, by_path=True)  # type: ignore[attr-defined]  # as older kernels do it
    if order["late_init"]:
        reaper.supervise = partial(supervise_late, reaper.supervise)  # type: ignore[assignment]
    before = snapshot()
    steps.progress.failing = order["fail_container"]
    outcome = run_container(order, cache)
    outcome["left"] = {name: value for name, value in snapshot().items() if value != before[name]}
    json.dump(outcome, sys.stdout)


def supervise_late(supervise: Callable[..., None], child: int, **options: Any) -> None:
    """As where the child has run and ended before its parent was given any time."""
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    supervise(child, **options)


def snapshot() -> dict[str, object]:
    """What a launch must not leave behind in its maker."""
    with open("/proc/self/mountinfo") as file:
        mounts = file.read()
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = file.read()
    status = [line for line in open("/proc/self/status") if line.startswith(("Uid", "Gid", "Cap"))]  # noqa: SIM115
    links = {name: link(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
    fds = sorted(os.listdir("/proc/self/fd"))
    return {"fds": fds, "mounts": mounts, "children": children, "status": status, "namespaces": links}


def link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return None


def run_container(order: dict[str, Any], cache: MountCache) -> dict[str, Any]:
    spec = order["container"]
    try:
        launched = create_container(spec, cache)
    except LaunchError as error:
        return {"error": describe(error)}
    release(launched.go, [])
    failure = read_all(launched.errors)
    outcome = {"error": json.loads(failure)} if failure else {"pid": launched.pid, "host": host_view(launched)}
    if not failure and order["execs"] is not None:
        steps.progress.failing = order["fail_exec"]
        outcome["execs"] = [run_exec(exec_spec, launched.pidfd) for exec_spec in order["execs"]]
        signal.pidfd_send_signal(launched.pidfd, signal.SIGKILL)
    outcome |= collect(launched, order["input"])
    os.close(launched.netns)
    remove_cgroups(spec["cgroup"])
    return outcome


def run_exec(spec: ExecSpec, pidfd: int) -> dict[str, Any]:
    try:
        launched = enter_container(spec, pidfd)
    except LaunchError as error:
        return {"error": describe(error)}
    failure = read_all(launched.errors)
    found = {"error": json.loads(failure) if failure else None}
    return found | collect(launched, "")


def host_view(launched: Launched) -> dict[str, str]:
    with open(f"/proc/{launched.pid}/status") as file:
        pairs = (line.rstrip("\n").partition(":\t") for line in file)
        return {name: value for name, _, value in pairs}


def collect(launched: Launched, text: str) -> dict[str, Any]:
    streams = launched.streams
    feed = streams.stdin if streams.stdin >= 0 else streams.terminal
    if feed >= 0 and text:
        os.write(feed, text.encode())
    if streams.stdin >= 0:
        os.close(streams.stdin)
    pending = {fd: b"" for fd in (streams.stdout, streams.stderr, streams.terminal) if fd >= 0}
    done = {}
    while pending:
        for fd in select.select(list(pending), [], [])[0]:
            chunk = read_some(fd)
            pending[fd] += chunk
            if not chunk:
                done[fd] = pending.pop(fd)
    if not select.select([launched.pidfd], [], [], _PATIENCE_SECONDS)[0]:  # its streams are closed, so nothing of it runs
        signal.pidfd_send_signal(launched.pidfd, signal.SIGKILL)
    ended = os.waitid(os.P_PIDFD, launched.pidfd, os.WEXITED)
    assert ended is not None
    status = ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status
    for fd in (launched.pidfd, launched.errors, *done):
        os.close(fd)
    names = {streams.stdout: "stdout", streams.stderr: "stderr", streams.terminal: "terminal"}
    return {"status": status} | {names[fd]: data.decode(errors="replace") for fd, data in done.items()}


def read_all(fd: int) -> bytes:
    data = b""
    while chunk := os.read(fd, 65536):
        data += chunk
    return data


def read_some(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # a terminal whose last other side is closed
        return b""


def describe(error: LaunchError) -> dict[str, Any]:
    return {"message": error.message, "exit_code": error.exit_code, "step": error.step}


main()
