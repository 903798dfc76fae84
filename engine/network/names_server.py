"""The resolver: the small process that answers containers of user networks at 127.0.0.11.

Owns the control socket and what the daemon says on it; it outlives the daemon and serves the newest one. It has one thread, since
it makes its sockets inside the containers' network namespaces. It knows of networks, tenants and records nothing but names.
"""

import os
import socket
import sys
from contextlib import suppress

from engine.linux import packets, rlimit
from engine.linux.oom import set_oom_score_adj
from engine.linux.packets import Body
from engine.network.names_asker import Asker, Settings
from engine.network.names_book import NamesBook, Place
from engine.network.names_code import names_code
from engine.network.names_forward import Forwarder
from engine.network.names_inside import Inside
from engine.network.names_loop import READ, Loop

_OPEN_FILES = 65_536  # a container takes three
_OOM_SCORE = -500
CODE = names_code()  # of what was loaded, whatever lies on disk later


class NamesServer:
    """Serves the daemon on a listening socket until told to quit."""

    def __init__(self, listener: socket.socket) -> None:
        self._loop = Loop()
        self._inside = Inside()
        self._book = NamesBook()
        self._forwarder = Forwarder(self._loop, self._inside)
        self._askers: dict[str, Asker] = {}
        self._peer: socket.socket | None = None
        self._listener = listener
        listener.setblocking(False)
        self._loop.watch(listener, READ, self._on_connection)

    def run(self) -> None:
        """Serve."""
        self._loop.run()

    def _on_connection(self) -> None:
        connection, _ = self._listener.accept()
        self._close_peer()
        connection.setblocking(False)
        self._peer = connection
        self._loop.watch(connection, READ, self._on_message)

    def _close_peer(self) -> None:
        """Containers are answered all the same."""
        if self._peer is not None:
            self._loop.unwatch(self._peer)
            self._peer.close()
            self._peer = None

    def _on_message(self) -> None:
        assert self._peer is not None  # noqa: S101 - watched only while it is there
        try:
            body, fds = packets.receive(self._peer)
        except BlockingIOError:
            return
        except packets.EndOfStream:
            self._close_peer()
            return
        try:
            answer = self._handle(body, fds)
        except OSError as error:
            answer = {"error": error.strerror or str(error), "errno": error.errno}
        except Exception as error:
            answer = {"error": repr(error), "errno": 0}
            sys.excepthook(*sys.exc_info())
        finally:
            for fd in fds.values():
                os.close(fd)
        with suppress(packets.EndOfStream):  # told by the next reading
            packets.send(self._peer, answer)

    def _handle(self, body: Body, fds: dict[str, int]) -> Body:
        match body["op"]:
            case "hello":
                return {"pid": os.getpid(), "code": CODE, "held": list(self._askers)}
            case "put":
                return self._put(body, fds)
            case "drop":
                self._drop(body["id"])
            case "quit":
                return self._quit(is_forced=body["forced"])
        return {}

    def _put(self, body: Body, fds: dict[str, int]) -> Body:
        """Know a container's names, and answer it at ``port`` of its namespace where one is given."""
        container_id = body["id"]
        if "netns" in fds:
            self._open(container_id, fds.pop("netns"), body["port"])
        if (asker := self._askers.get(container_id)) is not None:
            asker.settings = Settings(tuple(body["servers"]), forwards=body["forwards"])
            asker.forget_answers()  # it may have left the network that knew them
        self._tell(self._book.put(container_id, [_place(place) for place in body["places"]]))
        return {}

    def _open(self, container_id: str, netns_fd: int, port: int) -> None:
        self._close(container_id)
        try:
            self._askers[container_id] = Asker(
                container_id,
                netns_fd,
                port,
                loop=self._loop,
                inside=self._inside,
                book=self._book,
                forwarder=self._forwarder,
            )
        except OSError:
            os.close(netns_fd)
            raise

    def _drop(self, container_id: str) -> None:
        self._close(container_id)
        self._tell(self._book.remove(container_id))

    def _close(self, container_id: str) -> None:
        asker = self._askers.pop(container_id, None)
        if asker is not None:
            asker.close()

    def _tell(self, network_ids: set[str]) -> None:
        """Answers that were ready may be wrong now."""
        for container_id, asker in self._askers.items():
            if not network_ids.isdisjoint(self._book.networks_of(container_id)):
                asker.forget_answers()

    def _quit(self, *, is_forced: bool) -> Body:
        quits = is_forced or not self._askers
        if quits:
            self._loop.stop()
        return {"quits": quits}


def _place(place: Body) -> Place:
    return Place(
        network_id=place["network_id"],
        network_name=place["network_name"],
        addresses=tuple(place["addresses"]),
        names=tuple(name.lower() for name in place["names"]),
        links={alias.lower(): target.lower() for alias, target in place["links"].items()},
    )


def main(_run_path: str, listener_fd: int) -> None:
    """Serve on an inherited listening socket. The run folder is an argument for whoever looks at the list of processes."""
    os.chdir("/")
    rlimit.raise_open_files(_OPEN_FILES)
    set_oom_score_adj(_OOM_SCORE)
    os.set_inheritable(listener_fd, False)
    NamesServer(socket.socket(fileno=listener_fd)).run()
