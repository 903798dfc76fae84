"""The supervisor: the small process that is the parent of all containers of a host, writes their logs and learns how they end.

Owns the control socket; what requests mean stands in ``requests``, the processes are in ``custody``. It outlives the daemon,
serves one at a time (the newest), and has one thread, since clone3 and setns need that. Every fork pays for its memory, so:
standard library only, no typing at run time, no asyncio.
"""

from __future__ import annotations

import gc
import os
import socket

from engine.linux import rlimit
from engine.linux.oom import set_oom_score_adj
from engine.runtime import reactor as events
from engine.runtime import steps
from engine.runtime.custody import Custody
from engine.runtime.output import Copier
from engine.runtime.peer import Peer
from engine.runtime.reactor import Reactor
from engine.runtime.requests import Refusal, Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.runtime.protocol import Body

_OPEN_FILES = 65536  # a container takes about six
_OOM_SCORE = -900  # all containers hang on this process; each of them gets a score of its own


class Supervisor:
    """Serves the daemon on a listening socket until told to quit."""

    def __init__(self, listener: socket.socket) -> None:
        self._reactor = Reactor()
        copier = Copier()
        self._custody = Custody(reactor=self._reactor, copier=copier, send=self._send)
        self._requests = Requests(self._custody, copier.inflight)
        self._peer: Peer | None = None
        self._listener = listener
        listener.setblocking(False)
        self._reactor.add(listener.fileno(), events.IN, self._on_connection)

    def run(self) -> None:
        """Serve."""
        gc.collect()
        gc.freeze()  # children would otherwise copy the pages that a collection touches
        self._reactor.run()
        self._listener.close()

    def _on_connection(self, _events: int) -> None:
        sock, _ = self._listener.accept()
        if self._peer is not None:
            self._peer.send({"event": "replaced"})
            self._peer.close()
            self._on_daemon_gone()
        self._peer = Peer(sock, reactor=self._reactor, on_message=self._on_message, on_gone=self._on_daemon_gone)

    def _on_daemon_gone(self) -> None:
        """Containers go on. What only that daemon could have finished is undone, and no reader holds anything up."""
        self._peer = None
        self._custody.on_daemon_gone()

    def _send(self, body: Body, fds: dict[str, int]) -> None:
        if self._peer is not None:
            self._peer.send(body, fds)

    def _on_message(self, body: Body, fds: dict[str, int]) -> None:
        number = body.get("n")
        try:
            answer = self._requests.handle(body, fds)
        except Refusal as refusal:
            answer = refusal.answer, {}
        except Exception as error:
            if number is not None:
                self._send({"re": number, **Refusal("Fault", f"supervisor: {body['op']}: {error!r}").answer}, {})
            raise
        if number is not None and answer is not None:
            self._send({"re": number, **answer[0]}, answer[1])
            if answer[0].get("quits"):
                self._reactor.stop()


def main(_run_path: str, listener_fd: int) -> None:
    """Serve on an inherited listening socket. The run folder is an argument for whoever looks at the list of processes."""
    os.chdir("/")
    rlimit.raise_open_files(_OPEN_FILES)
    set_oom_score_adj(_OOM_SCORE)
    os.set_inheritable(listener_fd, False)
    steps.progress.failing = os.environ.get("ATELIER_FAIL_STEP", "")  # a seam for tests
    Supervisor(socket.socket(fileno=listener_fd)).run()
