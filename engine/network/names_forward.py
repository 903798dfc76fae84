"""Questions that others have to answer: the host's resolvers, asked from the host, or a container's own, asked from inside it.

Each goes out from a socket of its own, at a port that the kernel draws, under a random id, connected to the one server: what
does not come from there, under that id and with that question, is no answer.
"""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import dns.rcode

from engine.core.resolv import FALLBACK_NAMESERVERS, parse_resolv
from engine.network import names_codec as codec
from engine.network.names_codec import Question
from engine.network.names_inside import Inside
from engine.network.names_loop import READ, WRITE, Loop

_ATTEMPT_SECONDS = 2.0
_ROUNDS = 2
_MOST_SERVERS = 4
_MOST_OF_ONE, _MOST_OF_ALL = 64, 1024
_MOST_STRANGE_ANSWERS = 32
_DOMAIN_PORT = 53
_LENGTH_BYTES = 2
_HOST_FILE = Path("/etc/resolv.conf")
_RESOLVED = {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}


class Way(NamedTuple):
    """For whom, from which network namespace (None: the host's), and whom to ask (nobody: the host's resolvers)."""

    container_id: str
    netns_fd: int | None
    servers: tuple[str, ...]
    kind: int  # SOCK_DGRAM, SOCK_STREAM


class HostServers:
    """The host's own resolvers, also those on its loopback; read again when the file has changed."""

    def __init__(self, path: Path = _HOST_FILE) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._servers: tuple[str, ...] = FALLBACK_NAMESERVERS

    def servers(self) -> tuple[str, ...]:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                text = self._path.read_text(errors="replace")
                self._servers = parse_resolv(text).nameservers[:_MOST_SERVERS] or FALLBACK_NAMESERVERS
                self._stamp = stamp
        except OSError:
            return self._servers
        return self._servers


class Forwarder:
    """All questions that are on their way."""

    def __init__(self, loop: Loop, inside: Inside, host: HostServers | None = None, *, port: int = _DOMAIN_PORT) -> None:
        self.loop, self.inside, self.port = loop, inside, port
        self._host = host or HostServers()
        self._asking: dict[str, set[Inquiry]] = {}
        self._count = 0

    def ask(self, way: Way, wire: bytes, question: Question, reply: Callable[[bytes], None]) -> None:
        """Ask one server after the other; ``reply`` gets the answer, SERVFAIL when none has any."""
        own = self._asking.setdefault(way.container_id, set())
        if len(own) >= _MOST_OF_ONE or self._count >= _MOST_OF_ALL:
            reply(codec.answer_rcode(question, dns.rcode.SERVFAIL))
            return
        asked = way if way.servers else way._replace(servers=self._host.servers())
        inquiry = Inquiry(self, asked, wire=wire, question=question, reply=reply)
        own.add(inquiry)
        self._count += 1
        inquiry.next_server()

    def done(self, inquiry: "Inquiry") -> None:
        own = self._asking.get(inquiry.way.container_id, set())
        if inquiry in own:
            own.discard(inquiry)
            self._count -= 1
        if not own:
            self._asking.pop(inquiry.way.container_id, None)

    def cancel(self, container_id: str) -> None:
        """Nobody waits for its answers any more."""
        for inquiry in list(self._asking.get(container_id, ())):
            inquiry.close()


class Inquiry:
    """One question and whom it is put to."""

    def __init__(
        self, forwarder: Forwarder, way: Way, *, wire: bytes, question: Question, reply: Callable[[bytes], None]
    ) -> None:
        self.way = way
        self._forwarder, self._loop = forwarder, forwarder.loop
        self._left = [*way.servers[:_MOST_SERVERS]] * _ROUNDS
        self._wire, self._question, self._reply = wire, question, reply
        self._refusal = b""
        self._socket: socket.socket | None = None
        self._timer = self._loop.later(_ATTEMPT_SECONDS, self.next_server)
        self._begin()

    def _begin(self) -> None:
        self._number = secrets.randbits(16)
        self._received, self._strange = b"", 0

    def next_server(self) -> None:
        """Turn to the next server; when there is none left, say that it failed."""
        self._let_go()
        while self._left:
            server = self._left.pop(0)
            try:
                self._open(server)
            except (OSError, ValueError):
                self._let_go()
                continue
            self._timer = self._loop.later(_ATTEMPT_SECONDS, self.next_server)
            return
        self._finish(self._refusal or codec.answer_rcode(self._question, dns.rcode.SERVFAIL))

    def _open(self, server: str) -> None:
        self._begin()
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        made = self._socket = self._forwarder.inside.open_socket(self.way.netns_fd, family, self.way.kind)
        try:
            made.connect((server, self._forwarder.port))
        except BlockingIOError:
            self._loop.watch(made, WRITE, self._on_connected)
            return
        self._on_connected()

    def _on_connected(self) -> None:
        assert self._socket is not None  # noqa: S101 - watched only while it is there
        query = codec.with_number(self._wire, self._number)
        framed = query if self._is_datagram else len(query).to_bytes(_LENGTH_BYTES, "big") + query
        try:
            sent = self._socket.send(framed)
        except OSError:
            sent = -1
        if sent != len(framed):  # a query fits any buffer, so this is a refusal
            self._loop.later(0, self.next_server)
            return
        self._loop.watch(self._socket, READ, self._on_datagram if self._is_datagram else self._on_stream)

    @property
    def _is_datagram(self) -> bool:
        return self.way.kind == socket.SOCK_DGRAM

    def _on_datagram(self) -> None:
        assert self._socket is not None  # noqa: S101 - watched only while it is there
        try:
            answer = self._socket.recv(codec.LONGEST_ANSWER_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.next_server()
            return
        if not codec.is_answer_to(answer, self._number, self._question):
            self._strange += 1
            if self._strange >= _MOST_STRANGE_ANSWERS:
                self.next_server()
            return
        self._take(answer)

    def _on_stream(self) -> None:
        assert self._socket is not None  # noqa: S101 - watched only while it is there
        try:
            data = self._socket.recv(_LENGTH_BYTES + codec.LONGEST_ANSWER_BYTES - len(self._received))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += data
        length = int.from_bytes(self._received[:_LENGTH_BYTES], "big")
        answer = self._received[_LENGTH_BYTES : _LENGTH_BYTES + length]
        if len(self._received) >= _LENGTH_BYTES and len(answer) == length and length:
            self._take(answer) if codec.is_answer_to(answer, self._number, self._question) else self.next_server()
        elif not data:
            self.next_server()

    def _take(self, answer: bytes) -> None:
        """A server that refuses or is ill is passed over, its answer kept for when nobody has a better one."""
        ours = codec.with_number(answer, int.from_bytes(self._wire[:2], "big"))
        if codec.rcode_of(answer) in _RESOLVED:
            self._finish(ours if not self._is_datagram else codec.fit_udp(ours, self._question))
        else:
            self._refusal = codec.fit_udp(ours, self._question) if self._is_datagram else ours
            self.next_server()

    def _finish(self, answer: bytes) -> None:
        self.close()
        self._reply(answer)

    def close(self) -> None:
        """Let it be; nobody is told."""
        self._left = []
        self._let_go()
        self._forwarder.done(self)

    def _let_go(self) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._loop.unwatch(self._socket)
            self._socket.close()
            self._socket = None
