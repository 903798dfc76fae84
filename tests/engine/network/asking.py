"""Questions to a resolver from inside a network namespace, and servers that answer there as a test wants them to."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import dns.exception
import dns.message
import dns.rcode

from engine.linux.namespaces import CLONE_NEWNET, setns
from engine.network.names_redirect import RESOLVER_ADDRESS

T = TypeVar("T")
PATIENCE_SECONDS = 10.0
Behaviour = Callable[[bytes], list[bytes]]


def inside(netns_fd: int, work: Callable[[], T]) -> T:
    """Do something in a thread of its own in that namespace."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            setns(netns_fd, CLONE_NEWNET)
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def query(name: str, kind: str = "A", **options: object) -> bytes:
    return dns.message.make_query(name, kind, **options).to_wire()  # type: ignore[arg-type]  # passed on


def connected(netns_fd: int, kind: int, address: str = RESOLVER_ADDRESS, port: int = 53) -> socket.socket:
    """A socket made inside and connected."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        made.settimeout(PATIENCE_SECONDS)
        made.connect((address, port))
        return made

    return inside(netns_fd, make)


def ask_wire(netns_fd: int, wire: bytes, *, by_tcp: bool = False, seconds: float = PATIENCE_SECONDS) -> bytes:
    """Send a message as it is and return the answer to it. Raises OSError where none comes."""
    with connected(netns_fd, socket.SOCK_STREAM if by_tcp else socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        if not by_tcp:
            asking.send(wire)
            return asking.recv(65_535)
        asking.sendall(len(wire).to_bytes(2, "big") + wire)
        return read_frame(asking)


def read_frame(connection: socket.socket) -> bytes:
    length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
    return connection.recv(length, socket.MSG_WAITALL) if length else b""


def ask(netns_fd: int, name: str, kind: str = "A", *, by_tcp: bool = False) -> dns.message.Message:
    return dns.message.from_wire(ask_wire(netns_fd, query(name, kind), by_tcp=by_tcp))


def look_up(netns_fd: int, name: str, kind: str = "A", *, by_tcp: bool = False) -> str:
    """The answers' texts in their order, or the code where there are none."""
    answer = ask(netns_fd, name, kind, by_tcp=by_tcp)
    found = [record.to_text() for records in answer.answer for record in records]
    return " ".join(found) or dns.rcode.to_text(answer.rcode())


def try_to_look_up(netns_fd: int, name: str) -> str:
    """The same, empty where nobody answers for now."""
    try:
        answer = dns.message.from_wire(ask_wire(netns_fd, query(name), seconds=0.3))
    except OSError:
        return ""
    return " ".join(record.to_text() for records in answer.answer for record in records)


def said(wire: bytes, *addresses: str, rcode: int = dns.rcode.NOERROR) -> bytes:
    """The right answer to a query, with these addresses."""
    question = dns.message.from_wire(wire)
    answer = dns.message.make_response(question)
    answer.set_rcode(dns.rcode.Rcode(rcode))
    if addresses:
        answer.answer.append(dns.rrset.from_text_list(question.question[0].name, 60, "IN", "A", addresses))
    return answer.to_wire()


@contextmanager
def server(address: str, port: int, behaviour: Behaviour, *, netns_fd: int | None = None) -> Iterator[list[bytes]]:
    """A server for UDP at an address; yields the list of queries that it has got."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if netns_fd is None else inside(netns_fd, _datagram_socket)
    made.bind((address, port))
    got: list[bytes] = []

    def serve() -> None:
        while True:
            wire, peer = made.recvfrom(65_535)
            if wire == b"end":
                return
            got.append(wire)
            for answer in behaviour(wire):
                made.sendto(answer, peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        _send_end(made)
        thread.join()
        made.close()


def _datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _send_end(served: socket.socket) -> None:
    """Through the socket itself: it is in the right namespace."""
    served.sendto(b"end", served.getsockname())


def random_name() -> str:
    return os.urandom(8).hex()
