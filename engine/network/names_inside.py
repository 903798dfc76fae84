"""Sockets that are made inside a container's network namespace and used from outside. Only for single-threaded processes."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from engine.linux.namespaces import CLONE_NEWNET, setns
from engine.linux.route_socket import loopback_up, send_messages
from engine.network.names_redirect import RESOLVER_ADDRESS

_LOOPBACK = b"lo\0"
_RECEIVE_BYTES = 64 * 1024  # what a flood may hold of the kernel's memory
_BACKLOG = 16


class Inside:
    """Goes into namespaces and back to the one of the host."""

    def __init__(self) -> None:
        self._host_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def entered(self, netns_fd: int) -> Iterator[None]:
        """Raises OSError."""
        setns(netns_fd, CLONE_NEWNET)
        try:
            yield
        finally:
            self._return()

    def _return(self) -> None:
        try:
            setns(self._host_fd, CLONE_NEWNET)
        except OSError as error:
            # What is asked of the host's resolvers from here on would be asked by a container: better to begin anew.
            sys.stderr.write(f"cannot come back from a container's network: {error}\n")
            os._exit(1)

    def open_resolver(self, netns_fd: int, port: int) -> tuple[socket.socket, socket.socket]:
        """Return the UDP and the listening TCP socket of the resolver's address. Raises OSError."""
        with self.entered(netns_fd):
            send_messages([loopback_up()])  # before it is up it has no addresses, and init has not come to it yet
            datagrams = _bound(socket.SOCK_DGRAM, port)
            try:
                listener = _bound(socket.SOCK_STREAM, port)
            except OSError:
                datagrams.close()
                raise
        listener.listen(_BACKLOG)
        return datagrams, listener

    def open_socket(self, netns_fd: int | None, family: int, kind: int) -> socket.socket:
        """Return a socket of the container's network, of the host's without one. Raises OSError."""
        if netns_fd is None:
            return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        with self.entered(netns_fd):
            return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _bound(kind: int, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LOOPBACK)  # neighbours on a bridge never get through
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        if kind == socket.SOCK_STREAM:  # connections of a resolver before this one may still rest on the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((RESOLVER_ADDRESS, port))
    except OSError:
        made.close()
        raise
    return made
