"""One process in the supervisor's care: its facts, descriptors, outputs and log.

Owns what a successor must know, as plain facts that cross the socket. Decides nothing about life and death. Part of the
supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os

from engine.linux import pidfd as pidfds
from engine.linux import pipe
from engine.runtime.log_format import STDERR, STDOUT
from engine.runtime.log_writer import LogWriter
from engine.runtime.output import Copier, Output, allowance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.linux.packets import Body
    from engine.runtime.reactor import Reactor

# What else makes up the state of a process, as plain values.
_PLAIN = (
    "go",
    "errors",
    "is_starting",
    "has_ended",
    "ended_at_ns",
    "is_reaped",
    "wait_status",
    "is_doomed",
    "is_undone",
    "is_unwanted",
    "request",
)
_STREAMS = {"stdout": STDOUT, "stderr": STDERR, "terminal": STDOUT}


class Supervised:
    """``facts`` is what the daemon sees and a successor gets; ``fds`` are pidfd, stdin, stdout, stderr and terminal."""

    def __init__(self, facts: Body, fds: dict[str, int]) -> None:
        self.facts = facts
        self.fds = fds
        self.go = -1
        self.errors = -1
        self.failure = b""  # what the child says about its failure, until it executes the command
        self.is_starting = False  # told to go on to its command
        self.has_ended = False
        self.ended_at_ns = 0
        self.is_reaped = False
        self.wait_status: int | None = None
        self.is_doomed = False  # to be undone, not reported
        self.is_undone = False
        self.is_unwanted = False  # nobody will ask how the undoing went
        self.request: int | None = None  # to be answered once it runs, or is undone
        self.log: LogWriter | None = None
        self.outputs: list[Output] = []

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def is_container(self) -> bool:
        return bool(self.facts["kind"] == "container")

    @property
    def pidfd(self) -> int:
        return self.fds["pidfd"]

    @property
    def has_started(self) -> bool:
        return self.facts["started_at_ns"] is not None

    @property
    def is_drained(self) -> bool:
        """Whether all output of the ended process is in the log."""
        return all(output.is_drained for output in self.outputs)

    def open_outputs(self, reactor: Reactor, copier: Copier, on_idle: Callable[[Supervised], None]) -> None:
        """Begin to write the log."""
        if self.facts["log"] is not None and self.log is None:
            self.log = LogWriter(self.facts["log"])
        self._hold_log()
        for name, stream in _STREAMS.items():
            fd = self.fds.get(name, -1)
            if fd >= 0:
                pipe.grow(fd, pipe.LARGE_BYTES)
                output = Output(
                    process_id=self.id,
                    fd=fd,
                    stream=stream,
                    is_terminal=name == "terminal",
                    reactor=reactor,
                    copier=copier,
                    on_idle=lambda: on_idle(self),
                )
                self.outputs.append(output)
                output.open(self.log, self._may_read)
        if self.fds.get("stdin", -1) >= 0:
            os.set_blocking(self.fds["stdin"], False)

    def state(self) -> Body:
        """What another version of this supervisor goes on with: ``restored`` reads it."""
        return {
            "facts": self.facts,
            "fds": self.shared_fds(),
            "failure": self.failure.decode(errors="replace"),
            "log": self.log.state() if self.log is not None else None,
            "own": {name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def restored(cls, state: Body) -> Supervised:
        """As the one whose state it was; its outputs are not open yet."""
        process = cls(state["facts"], state["fds"])
        process.failure = state["failure"].encode()
        if state["log"] is not None:
            process.log = LogWriter(state["facts"]["log"], state["log"])
        for name, value in state["own"].items():
            setattr(process, name, value)
        return process

    def all_fds(self) -> list[int]:
        """Every descriptor that it holds."""
        log_fd = self.log.state()["fd"] if self.log is not None else -1
        return [fd for fd in (*self.shared_fds().values(), self.go, self.errors, log_fd) if fd >= 0]

    def acknowledge(self, position: int | None) -> None:
        self.facts["acknowledged"] = position
        self._hold_log()
        for output in self.outputs:
            output.resume()

    def drain(self) -> None:
        """Read what is there, as far as flow control allows."""
        for output in self.outputs:
            output.is_drained = output.fd < 0
            output.drain()

    def _hold_log(self) -> None:
        """An exec's reader is never so far behind; a container's log is kept for its readers."""
        if self.log is not None and self.is_container:
            self.log.needed_from = self.facts["acknowledged"]

    def forget_log(self) -> None:
        """Whoever still writes (children that the process left behind) goes on, into nothing."""
        for output in self.outputs:
            output.forget_log()
        if self.log is not None:
            self.log.close()
            self.log = None

    def close_fd(self, name: str) -> None:
        fd = self.fds.pop(name, -1)
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Give up everything but the outputs that somebody still writes to."""
        self.forget_log()
        for name in [name for name in self.fds if name not in _STREAMS]:
            self.close_fd(name)
        for fd in (self.go, self.errors):
            if fd >= 0:
                os.close(fd)
        self.go = self.errors = -1

    def close_streams(self) -> None:
        """For a process whose outputs were never opened here."""
        for name in ("stdin", *_STREAMS):
            self.close_fd(name)

    def close_outputs(self) -> None:
        for output in self.outputs:
            output.close()

    def shared_fds(self) -> dict[str, int]:
        """What the daemon gets duplicates of."""
        closed = {name for name in _STREAMS if name in self.fds and all(output.fd != self.fds[name] for output in self.outputs)}
        return {name: fd for name, fd in self.fds.items() if name not in closed}

    def _may_read(self) -> int:
        if self.log is None:
            return allowance(self.facts["flow_bytes"], self.facts["acknowledged"], 0)
        return min(self.log.frame_bytes, allowance(self.facts["flow_bytes"], self.facts["acknowledged"], self.log.position))


def identify(pid: int, pidfd: int) -> str:
    """What tells a process from all others, also after a restart of the host: boot, number and inode of its pidfd.

    Pidfds have no inodes of their own before Linux 6.9: there it is the time of the process's start.
    Raises ProcessLookupError.
    """
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot_id = file.read().strip()
    return f"{boot_id}:{pid}:{pidfds.inode(pidfd) or pidfds.start_ticks(pid)}"
