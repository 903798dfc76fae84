"""A bag of descriptors that are closed together: those a launch needs only while it lasts, or must give up when it fails."""

import os


class Descriptors:
    """A context manager; leaving it closes all that were put in and not let go."""

    def __init__(self) -> None:
        self._fds: list[int] = []

    def __enter__(self) -> "Descriptors":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, fd: int) -> int:
        """Own a descriptor from now on; answers it."""
        self._fds.append(fd)
        return fd

    def let_go(self) -> None:
        """Give all up without closing: the launch worked and somebody else owns them now."""
        self._fds.clear()

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())
