"""The life of the processes in the supervisor's care: from launch over start to the end of the last byte of output.

Owns the table and every transition in it. Tells the daemon through ``send``; takes no requests itself. Part of the supervisor:
standard library and no typing at run time.
"""

from __future__ import annotations

import json
import os
import time

from engine.linux import pidfd as pidfds
from engine.runtime import departure
from engine.runtime import reactor as events
from engine.runtime.log_format import MAX_PAYLOAD_BYTES
from engine.runtime.output import Output
from engine.runtime.supervised import Supervised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.linux.packets import Body
    from engine.runtime.inflight import Written
    from engine.runtime.output import Copier
    from engine.runtime.reactor import Reactor

_SIGKILL = 9
_ERRORS_BYTES = 65536
_REAP_SECONDS = 10.0
_TRACED_SECONDS = 0.01  # the first pause before a child that is traced is looked at again
_LONGEST_TRACED_SECONDS = 0.5
_RETRY_SECONDS = 0.5
_MAX_RETRIES = 40


class Custody:
    """``send`` takes a message and descriptors; it may go nowhere when no daemon is there."""

    def __init__(self, *, reactor: Reactor, copier: Copier, send: Callable[[Body, dict[str, int]], None]) -> None:
        self.table: dict[str, Supervised] = {}
        self._reactor = reactor
        self._copier = copier
        self._send = send

    # -- beginnings

    def take(self, process: Supervised) -> None:
        """Look after a process that was just launched; its command does not run yet."""
        self.table[process.id] = process
        os.set_blocking(process.errors, False)
        self._reactor.add(process.errors, events.IN, lambda _: self._on_errors(process))
        self._reactor.add(process.pidfd, events.IN, lambda _: self._on_end(process))
        process.open_outputs(self._reactor, self._copier, self._on_idle)
        if process.log is not None:
            process.log.begin()

    def adopt(self, process: Supervised, written: Written | None) -> None:
        """Look after a process that another supervisor launched. ``written`` is the frame it was writing when it died."""
        self.table[process.id] = process
        if process.facts["exit"] is not None:
            process.has_ended = process.is_reaped = True
            process.close_streams()
            return
        process.open_outputs(self._reactor, self._copier, self._on_idle)
        if process.log is not None:
            process.log.resume_line()
            _skip_written(process, written)
        self._reactor.add(process.pidfd, events.IN, lambda _: self._on_end(process))
        if not process.has_started:
            process.is_unwanted = True
            self.doom(process)

    def announce(self, process: Supervised, extra: dict[str, int] | None = None) -> None:
        """Tell the daemon of a process, with its descriptors."""
        self._send({"event": "process", "process": process.facts}, {**process.shared_fds(), **(extra or {})})

    def announce_all(self) -> None:
        """For a daemon that has just connected."""
        for process in self.table.values():
            if process.is_doomed or not (process.has_started or process.is_container):
                continue
            self.announce(process)
            if process.has_ended and not process.is_reaped:
                self._send({"event": "reap", "id": process.id}, {})

    # -- another version of this supervisor

    def state(self) -> tuple[Body, list[int]]:
        """All that ``resume`` needs, and the descriptors that go with it."""
        states = [process.state() for process in self.table.values()]
        fds = [fd for process in self.table.values() for fd in process.all_fds()]
        strays = [output for output in self._copier.outputs if output.fd not in fds]  # of processes that are forgotten
        fds += [output.fd for output in strays]
        left = [{"fd": output.fd, "stream": output.stream, "is_terminal": output.is_terminal} for output in strays]
        return {"processes": states, "outputs": left, "fds": fds}, fds

    def resume(self, state: Body) -> None:
        """Go on with the processes of a former version. What was waiting for a timer is looked at at once."""
        for found in state["processes"]:
            self._resume(Supervised.restored(found))
        for found in state["outputs"]:
            Output(process_id="", reactor=self._reactor, copier=self._copier, on_idle=_nothing, **found).open(None, _anything)

    def _resume(self, process: Supervised) -> None:
        self.table[process.id] = process
        if not process.is_undone:
            process.open_outputs(self._reactor, self._copier, self._on_idle)
        if process.errors >= 0:
            self._reactor.add(process.errors, events.IN, lambda _: self._on_errors(process))
        if not process.has_ended:
            self._reactor.add(process.pidfd, events.IN, lambda _: self._on_end(process))
        elif not process.is_reaped:
            self._reap(process, _TRACED_SECONDS)
        else:
            process.drain()
            self._finish(process)

    # -- ends

    def doom(self, process: Supervised) -> None:
        """Undo a process whose command never ran."""
        process.is_doomed = True
        if not process.has_ended:
            try:
                pidfds.send_signal(process.pidfd, _SIGKILL)
            except ProcessLookupError:
                return  # its end is about to be noticed
        self._finish(process)

    def note_status(self, process: Supervised, wait_status: int | None) -> None:
        """Take the wait status that the daemon has reaped, or could not."""
        if process.has_ended and not process.is_reaped:
            found = wait_status if wait_status is not None else pidfds.exit_wait_status(process.pidfd)
            if found is not None:
                self._reaped(process, found)

    def on_daemon_gone(self) -> None:
        """Containers go on. What only that daemon could have finished is undone, and no reader holds anything up."""
        for process in list(self.table.values()):
            process.request = None
            process.acknowledge(None)
            if process.is_undone:
                self.forget(process)
            elif process.is_container and not process.has_started and not process.is_starting:
                process.is_unwanted = True
                self.doom(process)

    def forget(self, process: Supervised) -> None:
        """Drop a process that has ended."""
        self.table.pop(process.id, None)
        self._reactor.remove(process.pidfd)
        if process.errors >= 0:
            self._reactor.remove(process.errors)
        process.close()

    # -- what happens

    def _on_errors(self, process: Supervised) -> bool:
        """The child says why it cannot go on, or executes its command, which closes the pipe. True when there may be more."""
        try:
            data = os.read(process.errors, _ERRORS_BYTES)
        except BlockingIOError:
            return False
        process.failure += data
        if not data:
            self._on_errors_closed(process)
        return bool(data)

    def _on_errors_closed(self, process: Supervised) -> None:
        self._reactor.remove(process.errors)
        os.close(process.errors)
        process.errors = -1
        if process.failure or not process.is_starting:
            self.doom(process)
        else:
            self._started(process)

    def _started(self, process: Supervised) -> None:
        process.facts["started_at_ns"] = time.time_ns()
        if process.is_container:
            self._send({"event": "started", "id": process.id, "started_at_ns": process.facts["started_at_ns"]}, {})
        else:
            self.announce(process)
        self._answer(process, {})

    def _on_end(self, process: Supervised) -> None:
        self._reactor.remove(process.pidfd)
        while process.errors >= 0 and self._on_errors(process):
            pass
        if process.errors >= 0:  # somebody else holds it open; a start comes before its exit all the same
            self._on_errors_closed(process)
        process.has_ended, process.ended_at_ns = True, time.time_ns()
        self._reap(process, _TRACED_SECONDS)

    def _reap(self, process: Supervised, pause_seconds: float) -> None:
        """A child that one in its container traces is not to be had before that one lets go or ends (ptrace(2)).

        To give it up would leave it behind for ever, and with it the container: its pid namespace lasts as long as its dead.
        """
        if self.table.get(process.id) is not process or process.is_reaped:
            return
        try:
            found = departure.reap(process.pidfd)
        except ChildProcessError:
            self._wait_for_reaper(process)
            return
        if found is not None:
            self._reaped(process, found)
        else:
            longer = min(2 * pause_seconds, _LONGEST_TRACED_SECONDS)
            self._reactor.later(pause_seconds, lambda: self._reap(process, longer))

    def _wait_for_reaper(self, process: Supervised) -> None:
        """Somebody else is the parent: the daemon, or whoever reaps for it. Afterwards the kernel tells the status to all."""
        if process.is_unwanted:
            self._reaped(process, None)
            return
        self._reactor.add(process.pidfd, 0, lambda _: self._on_reaped_elsewhere(process))
        self._reactor.later(_REAP_SECONDS, lambda: None if process.is_reaped else self._reaped(process, None))
        self._send({"event": "reap", "id": process.id}, {})

    def _on_reaped_elsewhere(self, process: Supervised) -> None:
        self._reactor.remove(process.pidfd)
        found = pidfds.exit_wait_status(process.pidfd)
        if found is not None:  # older kernels do not tell: the daemon's word is awaited
            self._reaped(process, found)

    def _reaped(self, process: Supervised, wait_status: int | None) -> None:
        self._reactor.remove(process.pidfd)
        process.is_reaped, process.wait_status = True, wait_status
        process.drain()
        self._finish(process)

    def _on_idle(self, process: Supervised) -> None:
        if process.has_ended:
            self._finish(process)

    def _finish(self, process: Supervised, retries: int = 0) -> None:
        """Report the end once the status is known and the log complete; undo what must not stay."""
        if not process.is_reaped or process.is_undone or process.facts["exit"] is not None:
            return
        if not process.is_drained and not process.is_doomed:
            return
        cgroup = process.facts["cgroup"]
        oom = departure.was_out_of_memory(cgroup)
        if cgroup is not None and not departure.try_remove_cgroups(cgroup) and retries < _MAX_RETRIES:
            self._reactor.later(_RETRY_SECONDS, lambda: self._finish(process, retries + 1))
            return
        if process.is_doomed:
            self._undone(process)
        else:
            self._report(process, oom)

    def _report(self, process: Supervised, oom: bool) -> None:
        facts = process.facts
        facts["exit"] = {
            "process_id": process.id,
            "kind": facts["kind"],
            "container_id": facts["container_id"],
            "status": departure.shell_status(process.wait_status),
            "oom": oom,
            "finished_at_ns": process.ended_at_ns,
            "dropped_bytes": process.log.dropped_bytes if process.log is not None else 0,
        }
        self._send({"event": "exit", "exit": facts["exit"]}, {})

    def _undone(self, process: Supervised) -> None:
        """Nothing of it is left. Without a request to answer it waits for the one that will come."""
        process.is_undone = True
        process.close_outputs()
        if process.request is not None or process.is_unwanted:
            self._answer(process, {} if process.is_unwanted else {"error": self._reason(process)})
            self.forget(process)

    def _reason(self, process: Supervised) -> Body:
        """What the child said; of an exec that its container took along, that."""
        if not process.is_container and not self.is_running(process.facts["container_id"]):
            return not_running(process.facts["container_id"])
        return failure(process)

    def is_running(self, container_id: str) -> bool:
        """Whether anything can be born in a container: it has started, and not begun to end."""
        container = self.table.get(container_id)
        if container is None or container.has_ended or not container.has_started:
            return False
        return not departure.is_ending(container.facts["pid"])

    def _answer(self, process: Supervised, body: Body) -> None:
        if process.request is not None:
            self._send({"re": process.request, **body}, {})
            process.request = None


def _nothing() -> None:
    """Nobody waits for the end of an output whose process is forgotten."""


def _anything() -> int:
    return MAX_PAYLOAD_BYTES


def not_running(container_id: str) -> Body:
    return {"kind": "Conflict", "message": f"container {container_id} is not running", "exit_code": None}


def failure(process: Supervised) -> Body:
    """What the child said about the step that failed."""
    try:
        said = json.loads(process.failure)
        return {"kind": "Fault", "message": said["message"], "exit_code": said["exit_code"]}
    except ValueError:
        return {"kind": "Fault", "message": f"process of {process.id} ended before its command ran", "exit_code": None}


def _skip_written(process: Supervised, written: Written | None) -> None:
    if written is None or process.log is None or written[0] != process.id:
        return
    _, stream, position, length = written
    if process.log.mark == position:
        return  # the frame was not finished, and has been cut off
    for output in process.outputs:
        if output.stream == stream:
            output.skip_written(length)
