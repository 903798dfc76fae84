"""The daemon's side of the resolver: keeps one running and tells it who is where.

Blocking, and used from the network room's one thread. What the resolver knows it is told again whole when it was started anew.
"""

import contextlib
import errno
import logging
import os
import select
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket

from engine.linux import packets
from engine.linux.packets import Body
from engine.linux.pidfd import is_alive, send_signal
from engine.network import names_process
from engine.network.names_book import Place
from engine.network.names_code import names_code
from engine.network.names_redirect import HIDDEN_PORT, PLAIN_PORT, can_redirect, redirect_message

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Presence:
    """What the resolver has to know of a container. ``servers`` are its own, ``forwards``: it may ask the outside."""

    places: tuple[Place, ...]
    servers: tuple[str, ...] = ()
    forwards: bool = True


class _Lost(Exception):
    """The resolver has ended, or does not answer."""


class NameServer:
    """``on_started`` gets a pidfd of each resolver, its own to close, to watch for the end; ``revive`` is to follow that."""

    def __init__(self, run_path: Path, *, on_started: Callable[[int], None]) -> None:
        self._run_path = run_path
        self._on_started = on_started
        self._connection: socket | None = None
        self._pid, self._pidfd = 0, -1
        self._known: dict[str, Presence] = {}
        self._netns: dict[str, int] = {}
        self._redirects: bool | None = None

    def prepare(self) -> None:
        """Have a resolver started, as it will soon be needed; does not wait until it is ready. Raises OSError."""
        if self._pidfd < 0:
            self._start()

    def messages(self) -> tuple[bytes, ...]:
        """Return what makes the resolver known in a network namespace, to be sent from inside."""
        if self._redirects is None:
            self._redirects = can_redirect()
            if not self._redirects:
                _log.warning("no nftables inside containers: the resolver takes port %s at its address for itself", PLAIN_PORT)
        return (redirect_message(),) if self._redirects else ()

    def answers(self, container_id: str) -> bool:
        """Tell whether the container is one that asks here."""
        return container_id in self._netns

    def known(self, container_id: str) -> Presence | None:
        """Return what was told of a container last."""
        return self._known.get(container_id)

    def put(self, container_id: str, presence: Presence, netns_fd: int | None = None) -> None:
        """Let a container be found, and answered where ``netns_fd``, which stays the caller's, is given. Raises OSError."""
        self._known[container_id] = presence
        if netns_fd is not None:
            self._keep(container_id, netns_fd)
        if self._connection is None:
            self._restart()
            return
        try:
            self._put(container_id, is_new=netns_fd is not None)
        except _Lost as lost:
            _log.warning("%s; starting another", lost)
            self._restart()

    def drop(self, container_id: str) -> None:
        """Forget a container. Never fails: a resolver that is gone has forgotten it too."""
        self._release(container_id)
        if self._known.pop(container_id, None) is None or self._connection is None:
            return
        try:
            self._request({"op": "drop", "id": container_id})
        except _Lost as lost:
            _log.warning("%s", lost)  # its end is noticed, and another one started

    def restore(self, presences: Mapping[str, Presence], netns: Mapping[str, int]) -> None:
        """After a start of the daemon: take the living resolver over, or start one, and tell it all. Raises OSError.

        ``netns`` are descriptors of the containers' network namespaces, which stay the caller's.
        """
        self._known = dict(presences)
        for container_id, netns_fd in netns.items():
            self._keep(container_id, netns_fd)
        connection = names_process.connect(self._run_path)
        if connection is None:
            if presences:
                self._restart()
            return
        try:
            self._take_over(connection)
        except _Lost as lost:
            _log.warning("%s; starting another", lost)
            self._restart()

    def revive(self) -> None:
        """Start another resolver if the last one has ended. Raises OSError."""
        if self._pidfd >= 0 and not is_alive(self._pidfd):
            _log.warning("the resolver of containers ended; starting another")
            self._restart()

    def close(self, *, remove: bool) -> None:
        """Let go; the resolver ends when it serves nobody, with ``remove`` in any case."""
        with contextlib.suppress(_Lost):
            if self._connection is not None and self._request({"op": "quit", "forced": remove})["quits"]:
                self._wait_for_end()
        self._let_go()
        for container_id in list(self._netns):
            self._release(container_id)

    def _take_over(self, connection: socket) -> None:
        self._use(connection)
        answer = self._request({"op": "hello"})
        self._watch(answer["pid"])
        if answer["code"] != names_code():
            _log.info("the resolver of containers runs other code; starting another")
            self._restart()
            return
        held = set(answer["held"])
        for container_id in held - self._known.keys():
            self._request({"op": "drop", "id": container_id})
        for container_id in self._known:
            self._put_or_log(container_id, is_new=container_id not in held)

    def _restart(self) -> None:
        """Raises OSError when none can be started."""
        self._end()
        self._start()
        try:
            for container_id in list(self._known):
                self._put_or_log(container_id, is_new=True)
        except _Lost as lost:
            raise OSError(errno.ETIMEDOUT, f"{lost}; its folder's names.log may tell why") from None

    def _start(self) -> None:
        pid, connection = names_process.start(self._run_path)
        self._use(connection)
        self._watch(pid)

    def _use(self, connection: socket) -> None:
        connection.settimeout(_ANSWER_SECONDS)
        self._connection = connection

    def _watch(self, pid: int) -> None:
        self._pid, self._pidfd = pid, os.pidfd_open(pid)
        self._on_started(os.dup(self._pidfd))

    def _put_or_log(self, container_id: str, *, is_new: bool) -> None:
        """One whose namespace is gone does not keep the others from their names."""
        try:
            self._put(container_id, is_new=is_new)
        except OSError as error:
            _log.warning("container %s has no resolver: %s", container_id[:12], error)

    def _put(self, container_id: str, *, is_new: bool) -> None:
        presence = self._known[container_id]
        port = HIDDEN_PORT if self.messages() else PLAIN_PORT
        places = [asdict(place) for place in presence.places]
        body = {"op": "put", "id": container_id, "port": port, "servers": presence.servers, "forwards": presence.forwards}
        fds = {"netns": self._netns[container_id]} if is_new and container_id in self._netns else {}
        self._request({**body, "places": places}, fds)

    def _request(self, body: Body, fds: Mapping[str, int] | None = None) -> Body:
        """Raises _Lost, and OSError of what the resolver could not do."""
        if self._connection is None:
            raise _Lost("the resolver of containers is not there")
        try:
            packets.send(self._connection, body, fds)
            answer, _ = packets.receive(self._connection)
        except (packets.EndOfStream, OSError) as error:
            raise _Lost(f"the resolver of containers does not answer ({error or 'it ended'})") from error
        if "error" in answer:
            raise OSError(answer["errno"] or 0, f"resolver: {answer['error']}")
        return answer

    def _keep(self, container_id: str, netns_fd: int) -> None:
        self._release(container_id)
        self._netns[container_id] = os.dup(netns_fd)

    def _release(self, container_id: str) -> None:
        if (netns_fd := self._netns.pop(container_id, None)) is not None:
            os.close(netns_fd)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd >= 0:
                send_signal(self._pidfd, signal.SIGKILL)
                self._wait_for_end()
        self._let_go()

    def _wait_for_end(self) -> None:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.poll(_END_SECONDS * 1000)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._pidfd >= 0:
            names_process.reap(self._pid)
            os.close(self._pidfd)
            self._pid, self._pidfd = 0, -1
