"""One container as the resolver serves it: its two sockets, ready answers, and its share of the work.

Who asks is known by the socket, since only the container's own programs can reach it.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

import dns.rcode

from engine.network import names_codec as codec
from engine.network.names_answers import is_for_nobody, local_answers
from engine.network.names_book import NamesBook
from engine.network.names_budget import Budget, Pace
from engine.network.names_codec import Malformed, Question
from engine.network.names_forward import Forwarder, Way
from engine.network.names_inside import Inside
from engine.network.names_loop import READ, Loop
from engine.network.names_stream import Stream

_TURN_SECONDS = 0.001  # at one go, before others are looked at
_MOST_READY = 128
_MOST_STREAMS = 16
Reply = Callable[[bytes], None]


class Settings(NamedTuple):
    """``servers`` are the container's own, asked from inside; ``forwards``: others may be asked what is not known here."""

    servers: tuple[str, ...]
    forwards: bool


class _Ready:
    """Answers to one query, without ids, to be given in turn."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = [answer[2:] for answer in answers]
        self._turn = 0

    def next(self) -> bytes:
        self._turn = (self._turn + 1) % len(self._answers)
        return self._answers[self._turn]


class Asker:
    """Owns the descriptor of the network namespace from its making on. Raises OSError."""

    def __init__(
        self, container_id: str, netns_fd: int, port: int, *, loop: Loop, inside: Inside, book: NamesBook, forwarder: Forwarder
    ) -> None:
        self.container_id = container_id
        self.settings = Settings((), forwards=False)
        self._netns_fd = netns_fd
        self._loop, self._book, self._forwarder = loop, book, forwarder
        self._ready: dict[bytes, _Ready] = {}
        self._streams: set[Stream] = set()
        self._budget, self._pace = Budget(time.monotonic()), Pace(time.monotonic())
        self._is_open = True
        self._datagrams, self._listener = inside.open_resolver(netns_fd, port)
        self._listen()

    def _listen(self) -> None:
        if self._is_open:
            self._loop.watch(self._datagrams, READ, self._on_datagrams)
            self._loop.watch(self._listener, READ, self._on_connection)

    def forget_answers(self) -> None:
        """Names on one of its networks have changed."""
        self._ready.clear()

    def close(self) -> None:
        self._is_open = False
        for stream in list(self._streams):
            stream.close()
        self._forwarder.cancel(self.container_id)
        for source in (self._datagrams, self._listener):
            self._loop.unwatch(source)
            source.close()
        os.close(self._netns_fd)

    def _on_datagrams(self) -> None:
        started = now = time.monotonic()
        while now - started < _TURN_SECONDS:
            try:
                wire, peer = self._datagrams.recvfrom(codec.LONGEST_QUERY_BYTES + 1)
            except OSError:  # all read, or word of an answer that nobody took
                break
            self._answer_datagram(wire, peer)
            now = time.monotonic()
        self._account(now - started)

    def _account(self, seconds: float) -> None:
        rest_seconds = self._budget.spend(seconds, time.monotonic())
        if rest_seconds > 0 and self._is_open:
            self._loop.unwatch(self._datagrams)
            self._loop.unwatch(self._listener)
            self._loop.later(rest_seconds, self._listen)

    def _answer_datagram(self, wire: bytes, peer: tuple[str, int]) -> None:
        ready = self._ready.get(wire[2:])
        if ready is not None:
            self._send(wire[:2] + ready.next(), peer)
            return
        self.answer(wire, lambda answer: self._send(answer, peer), is_stream=False)

    def _send(self, answer: bytes, peer: tuple[str, int]) -> None:
        if self._is_open:
            try:
                self._datagrams.sendto(answer, peer)
            except OSError:
                return  # who does not listen asks again

    def answer(self, wire: bytes, reply: Reply, *, is_stream: bool) -> None:
        """Answer a query, at once or later; silence for what is none."""
        try:
            question = codec.parse_question(wire)
        except Malformed as malformed:
            if malformed.answer:
                reply(malformed.answer)
            return
        answers = local_answers(self._book, self.container_id, question)
        if answers is not None and is_stream:
            reply(answers[0])
        elif answers is not None:
            self._answer_and_keep(wire, question, answers, reply)
        else:
            self._answer_unknown(wire, question, reply, is_stream=is_stream)

    def _answer_and_keep(self, wire: bytes, question: Question, answers: list[bytes], reply: Reply) -> None:
        if len(self._ready) >= _MOST_READY:
            self._ready.clear()
        ready = self._ready[wire[2:]] = _Ready([codec.fit_udp(answer, question) for answer in answers])
        reply(wire[:2] + ready.next())

    def _answer_unknown(self, wire: bytes, question: Question, reply: Reply, *, is_stream: bool) -> None:
        if is_for_nobody(question):
            reply(codec.answer_rcode(question, dns.rcode.NXDOMAIN))
        elif not self.settings.forwards or not self._pace.take(time.monotonic()):
            reply(codec.answer_rcode(question, dns.rcode.SERVFAIL))
        else:
            kind = socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM
            way = Way(self.container_id, self._netns_fd if self.settings.servers else None, self.settings.servers, kind)
            self._forwarder.ask(way, wire, question, reply)

    def _on_connection(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._streams) >= _MOST_STREAMS:
            connection.close()
            return
        self._streams.add(Stream(connection, loop=self._loop, on_query=self._on_stream_query, on_closed=self._streams.discard))

    def _on_stream_query(self, wire: bytes, reply: Reply) -> None:
        started = time.monotonic()
        self.answer(wire, reply, is_stream=True)
        self._account(time.monotonic() - started)
