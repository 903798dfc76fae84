"""The daemon's side of the supervisor: asks it for processes and knows which there are.

Owns the table of processes, whose descriptors daemon and supervisor both hold: whichever dies, the other hands them on. Knows
no records, no HTTP and no networks.
"""

import asyncio
import base64
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.core.files import FilesSpec
from engine.core.launch import CgroupSpec, ExecSpec, LaunchSpec, LogSpec
from engine.errors import Conflict, EngineError, NotFound, Unavailable
from engine.linux import prctl, rlimit
from engine.linux.packets import Body
from engine.runtime import spawn
from engine.runtime.connection import Connection
from engine.runtime.lifeline import Lifeline
from engine.runtime.log_watch import LogWatcher
from engine.runtime.process import Process, ProcessExit

_CLOSE_SECONDS = 2.0
_OPEN_FILES = 65536  # a process takes about four, and each of its readers two


class Supervisor:
    """One per daemon. ``on_exit`` is called for each end that is learnt after ``open``; all output is in the log by then."""

    def __init__(
        self, *, run_path: Path, on_exit: Callable[[ProcessExit], Awaitable[None]], python: str = sys.executable
    ) -> None:
        self.processes: dict[str, Process] = {}
        self.watcher = LogWatcher()
        self._on_exit = on_exit
        self._creating: dict[str, CgroupSpec] = {}
        self._launching: dict[str, list[Process]] = {}
        self._inflight: dict[str, int] = {}  # tells what the supervisor was writing when it died
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lifeline = Lifeline(
            run_path=run_path,
            python=python,
            on_event=self._on_event,
            hand_over=self._hand_over,
            known_pids=lambda: {process.pid for process in self.processes.values()},
        )

    @property
    def pid(self) -> int | None:
        """The supervisor process's own."""
        return self._lifeline.pid

    async def open(self) -> dict[str, Process]:
        """Take over the living supervisor with all its processes, or start one.

        Processes that ended while no daemon was there have their ``exit`` set; ``on_exit`` is not called for them.
        Raises Unavailable when no supervisor can be started.
        """
        prctl.prctl(prctl.PR_SET_CHILD_SUBREAPER, 1)
        rlimit.raise_open_files(_OPEN_FILES)
        await self._lifeline.open()
        return self.processes

    async def ready(self) -> None:
        """Wait until a supervisor is there, when the last one has just died. Raises Unavailable."""
        await self._lifeline.ready()

    async def renew(self) -> None:
        """Put the supervisor on the code that is on disk now; containers do not notice."""
        await self._lifeline.renew()

    def renew_soon(self) -> None:
        """The same, without waiting for it."""
        self._spawn(self.renew())

    async def create(self, spec: LaunchSpec) -> Process:
        """Make a container up to the point where its network can be set up through ``process.netns``.

        Raises Fault, with nothing left behind. Cancelled, it undoes the container.
        """
        await self.ready()
        self._creating[spec["container_id"]] = spec["cgroup"]
        return await self._launch("create", spec["container_id"], {"spec": spec})

    async def start(self, container_id: str, netlink: Sequence[bytes]) -> None:
        """Let a created container run its command. Raises CommandNotRunnable or Fault; the container is gone then."""
        self._get(container_id)
        messages = [base64.b64encode(message).decode() for message in netlink]
        try:
            await self._lifeline.request("start", {"id": container_id, "netlink": messages})
        except Unavailable:
            raise  # the next supervisor ends it
        except EngineError:
            self._drop(container_id)
            raise

    async def abort(self, container_id: str) -> None:
        """Undo a container that was created and not started."""
        self._get(container_id)
        with contextlib.suppress(NotFound):  # undone already
            await self._lifeline.request("abort", {"id": container_id})
        self._drop(container_id)

    async def exec(self, spec: ExecSpec) -> Process:
        """Run a further process in a container. Raises NotFound, CommandNotRunnable or Fault, with nothing left behind."""
        return await self._launch("exec", spec["exec_id"], {"spec": spec})

    async def files(self, spec: FilesSpec, *, data_fd: int, report_fd: int) -> int:
        """Start a worker on a container's files, which gets its ends of two pipes; answers its pidfd, the caller's to close.

        Raises NotFound when the container does not run any more, Fault, Unavailable.
        """
        _, fds = await self._lifeline.request("files", {"spec": spec}, {"data": data_fd, "report": report_fd})
        return fds["pidfd"]

    async def forget(self, process_id: str) -> None:
        """Give up an ended process, after its exit is recorded. Its log stays. Raises Conflict while it runs."""
        process = self.processes.get(process_id)
        if process is None:
            return
        if process.exit is None:
            raise Conflict(f"process {process_id} is still running: stop it first")
        self._drop(process_id)
        await self._tell("forget", {"id": process_id})

    async def flow(self, exec_id: str, position: int | None) -> None:
        """Acknowledge output up to ``position`` of the log; None: the reader has left, nothing holds the output up any more."""
        process = self.processes.get(exec_id)
        if process is not None and process.exit is None:
            process.facts["acknowledged"] = position
            await self._tell("flow", {"id": exec_id, "position": position})

    async def join_groups(self, container_id: str, groups: CgroupSpec) -> None:
        """Tell of cgroups that a running container has joined on top, so that they are removed at its end. Raises NotFound."""
        answer, _ = await self._lifeline.request("groups", {"id": container_id, "groups": groups})
        self._get(container_id).facts["cgroup"] = answer["cgroup"]

    async def open_socket(self, container_id: str, family: str) -> int:
        """Return a TCP socket ("ipv4", "ipv6") of a container's network, not connected. Raises NotFound, Conflict, Fault."""
        _, fds = await self._lifeline.request("socket", {"id": container_id, "family": family})
        return fds["socket"]

    async def adopt_orphan(
        self,
        container_id: str,
        pid: int,
        identity: str,
        *,
        started_at_ns: int,
        cgroup: CgroupSpec | None = None,
        log: LogSpec | None = None,
    ) -> Process:
        """Look after a container again that daemon and supervisor both lost; its streams are gone for good.

        Raises NotFound when that process has ended: how, nobody can tell.
        """
        body = {
            "id": container_id,
            "pid": pid,
            "identity": identity,
            "started_at_ns": started_at_ns,
            "cgroup": cgroup,
            "log": log,
        }
        await self._lifeline.request("orphan", body)
        return self._get(container_id)

    async def close(self, *, stop_supervisor_if_idle: bool = True) -> None:
        """Let go of the supervisor. While it has processes it goes on by itself."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)  # ends that are just being recorded
        await self._lifeline.close(stop_supervisor=stop_supervisor_if_idle)
        for task in self._tasks:
            task.cancel()
        for process in self.processes.values():
            process.close()
        self.watcher.close()
        _close_all(self._inflight)

    async def _launch(self, op: str, process_id: str, body: Body) -> Process:
        if process_id in self.processes or process_id in self._launching:
            raise Conflict(f"process {process_id} exists already")
        request = asyncio.ensure_future(self._request_launch(op, process_id, body))
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            self._spawn(self._abandon(process_id, request))
            raise
        except Unavailable:
            raise  # the next supervisor sweeps what the last one had made
        except EngineError:
            self._creating.pop(process_id, None)
            raise

    async def _request_launch(self, op: str, process_id: str, body: Body) -> Process:
        """The process as it was announced: by the time of the answer it may have ended and be forgotten."""
        announced = self._launching[process_id] = []
        try:
            await self._lifeline.request(op, body)
        finally:
            del self._launching[process_id]
        self._creating.pop(process_id, None)
        return announced[0]

    async def _abandon(self, process_id: str, request: Awaitable[Process]) -> None:
        """Undo what was asked for by a caller who has left."""
        with contextlib.suppress(EngineError):
            process = await request
            if process.started_at_ns is None:
                await self.abort(process_id)
                return
            with contextlib.suppress(ProcessLookupError):
                process.kill(signal.SIGKILL)
            await process.ended.wait()
            await self.forget(process_id)

    async def _hand_over(self, connection: Connection, answer: Body, fds: dict[str, int]) -> None:
        """Give a supervisor, which has just told of its processes by events, those that a dead one left to us."""
        left = [process for process_id, process in self.processes.items() if process_id not in answer["processes"]]
        inflight, self._inflight = self._inflight, fds
        try:
            if left and inflight:
                await connection.request("recover", {}, inflight)
            for process in left:
                await self._hand_over_process(connection, process)
            for container_id, cgroup in self._creating.items():
                if container_id not in self.processes:
                    await connection.request("sweep", {"cgroup": cgroup})
            self._creating.clear()
        finally:
            _close_all(inflight)

    async def _hand_over_process(self, connection: Connection, process: Process) -> None:
        facts = {**process.facts, "started_at_ns": process.started_at_ns, "exit": asdict(process.exit) if process.exit else None}
        if process.started_at_ns is None:
            spawn.end_child(process.pidfd)  # what it waits for went with the supervisor
        await connection.request("adopt", {"process": facts}, process.fds)
        if process.started_at_ns is None:
            self._drop(process.id)

    def _on_event(self, body: Body, fds: dict[str, int]) -> None:
        match body["event"]:
            case "process":
                self._add(body["process"], fds)
            case "started":
                self._get(body["id"]).started_at_ns = body["started_at_ns"]
            case "exit":
                self._on_process_exit(ProcessExit(**body["exit"]))
            case "reap":
                self._spawn(self._reap(body["id"]))
            case "replaced":
                self._lifeline.give_up()

    def _add(self, facts: Body, fds: dict[str, int]) -> None:
        process = Process(facts=facts, fds=fds, watcher=self.watcher, on_stdin_closed=self._on_stdin_closed)
        if process.id in self.processes:
            process.close()
            return
        self.processes[process.id] = process
        self._launching.get(process.id, []).append(process)
        if facts["exit"] is not None:
            process.finish(ProcessExit(**facts["exit"]))

    def _on_process_exit(self, process_exit: ProcessExit) -> None:
        process = self.processes.get(process_exit.process_id)
        if process is not None and process.exit is None:
            process.finish(process_exit)
            self._spawn(_awaited(self._on_exit(process_exit)))

    async def _reap(self, process_id: str) -> None:
        """Answer with the wait status of a process whose parent the daemon became when the former supervisor died."""
        process = self.processes.get(process_id)
        wait_status = await spawn.reap_patiently(os.dup(process.pidfd)) if process is not None else None
        await self._tell("reaped", {"id": process_id, "wait_status": wait_status})

    def _on_stdin_closed(self, process_id: str) -> None:
        self._spawn(self._tell("close_stdin", {"id": process_id}))

    async def _tell(self, op: str, body: Body) -> None:
        """What a next supervisor learns anyhow, or need not know: that one dies meanwhile does not matter."""
        with contextlib.suppress(Unavailable):
            await self._lifeline.tell(op, body)

    def _get(self, process_id: str) -> Process:
        try:
            return self.processes[process_id]
        except KeyError:
            raise NotFound(f"no such process: {process_id}") from None

    def _drop(self, process_id: str) -> None:
        process = self.processes.pop(process_id, None)
        if process is not None:
            process.finish(process.exit)
            process.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "a task of the supervisor's client failed", "exception": error})


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _close_all(fds: dict[str, int]) -> None:
    while fds:
        os.close(fds.popitem()[1])
