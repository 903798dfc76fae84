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
from engine.linux.capabilities import put_down
from engine.linux.oom import set_oom_score_adj
from engine.runtime import reactor as events
from engine.runtime import steps, upgrade
from engine.runtime.custody import Custody
from engine.runtime.files_workers import FilesWorkers
from engine.runtime.inflight import Inflight
from engine.runtime.output import Copier
from engine.runtime.peer import Peer
from engine.runtime.reactor import Reactor
from engine.runtime.requests import CODE, Refusal, Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.linux.packets import Body

_OPEN_FILES = 65536  # a container takes about six
_UPGRADE_PAUSE_SECONDS = 0.01
_OOM_SCORE = -900  # all containers hang on this process; each of them gets a score of its own


class Supervisor:
    """Serves the daemon on a listening socket until told to quit. ``state`` is what a former version of itself left."""

    def __init__(self, listener: socket.socket, state: Body | None = None) -> None:
        self._reactor = Reactor()
        self._inflight = Inflight(state["inflight"] if state else None)
        copier = Copier(self._inflight)
        self._custody = Custody(reactor=self._reactor, copier=copier, send=self._send)
        self._files = FilesWorkers(self._reactor)
        self._requests = Requests(self._custody, self._inflight, self._files)
        self._peer: Peer | None = None
        self._listener = listener
        listener.setblocking(False)
        self._reactor.add(listener.fileno(), events.IN, self._on_connection)
        if state is not None:
            self._resume(state)

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
        self._open_peer(sock)

    def _open_peer(self, sock: socket.socket) -> Peer:
        self._peer = Peer(sock, reactor=self._reactor, on_message=self._on_message, on_gone=self._on_daemon_gone)
        return self._peer

    def _on_daemon_gone(self) -> None:
        """Containers go on. What only that daemon could have finished is undone, and no reader holds anything up."""
        self._peer = None
        self._files.end_all()
        self._custody.on_daemon_gone()

    def _send(self, body: Body, fds: dict[str, int]) -> None:
        if self._peer is not None:
            self._peer.send(body, fds)

    def _on_message(self, body: Body, fds: dict[str, int]) -> None:
        number = body.get("n")
        if body["op"] == "upgrade":
            self._upgrade(self._peer, body)
            return
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
            self._requests.on_answered()
            if answer[0].get("quits"):
                self._reactor.stop()

    def _upgrade(self, peer: Peer | None, body: Body) -> None:
        """Become the version that the daemon's command runs. Once it has read all, so that no message is left behind."""
        if peer is None or peer is not self._peer:
            return  # the daemon that asked has gone
        if peer.is_behind:
            self._reactor.later(_UPGRADE_PAUSE_SECONDS, lambda: self._upgrade(peer, body))
            return
        state, fds = self._custody.state()
        inflight, files = self._inflight.all_fds(), self._files.fds()
        state |= {"number": body["n"], "peer": peer.fd, "inflight": inflight, "files": files}
        try:
            upgrade.become(body["command"], state, [*fds, *inflight.values(), *files, peer.fd, self._listener.fileno()])
        except OSError as error:
            self._send({"re": body["n"], **Refusal("Fault", f"supervisor: upgrade: {error!r}").answer}, {})

    def _resume(self, state: Body) -> None:
        """Go on where the former version stopped; answer the request that it had no time for."""
        inflight = list(self._inflight.all_fds().values())
        for fd in [*inflight, *state["files"], state["peer"], *state["fds"]]:
            os.set_inheritable(fd, False)
        self._files.resume(state["files"])
        peer = self._open_peer(socket.socket(fileno=state["peer"]))
        self._custody.resume(state)
        peer.send({"re": state["number"], "pid": os.getpid(), "code": CODE})


def main(_run_path: str, listener_fd: int) -> None:
    """Serve on an inherited listening socket. The run folder is an argument for whoever looks at the list of processes."""
    os.chdir("/")
    rlimit.raise_open_files(_OPEN_FILES)
    set_oom_score_adj(_OOM_SCORE)
    put_down("CAP_SYS_RESOURCE")  # ext4 would let the logs of a full tenant grow
    os.set_inheritable(listener_fd, False)
    steps.progress.failing = os.environ.get("ATELIER_FAIL_STEP", "")  # a seam for tests
    Supervisor(socket.socket(fileno=listener_fd), upgrade.inherited()).run()
