"""Tells when a client has hung up for good, which asyncio cannot: a client that closed only its half still reads.

Owns one epoll descriptor that watches hijacked connections for EPOLLHUP alone (unix(7): set when both halves are closed).
"""

import asyncio
import os
import select


class HangupWatcher:
    """One for each loop; opened at first use."""

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._waiters: dict[int, asyncio.Future[None]] = {}

    async def wait(self, fd: int) -> None:
        """Wait until the peer of a connected socket is gone. Several may wait for one socket."""
        epoll = self._open()
        own_fd = os.dup(fd)  # the caller's may be closed, and its number used again, while this still waits
        waiter = self._waiters[own_fd] = asyncio.get_running_loop().create_future()
        try:
            epoll.register(own_fd, 0)  # no events asked for: EPOLLHUP and EPOLLERR are always told
            await waiter
        finally:
            del self._waiters[own_fd]
            if not epoll.closed:
                epoll.unregister(own_fd)
            os.close(own_fd)

    def close(self) -> None:
        """Stop watching."""
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _open(self) -> select.epoll:
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._dispatch)
        return self._epoll

    def _dispatch(self) -> None:
        if self._epoll is None:
            return
        for fd, _ in self._epoll.poll(0):
            waiter = self._waiters[fd]
            if not waiter.done():
                waiter.set_result(None)
