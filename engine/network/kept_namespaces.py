"""Network namespaces kept while their containers hold addresses.

Owns a descriptor of each. Without one, the kernel takes a namespace down with its last process, and what its interfaces have
counted is gone before anybody has read it.
"""

import os
from contextlib import suppress


class KeptNamespaces:
    """By container. Used from one thread."""

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}

    def keep(self, container_id: str, netns_fd: int) -> None:
        """Keep a container's namespace, in place of one kept for it before. ``netns_fd`` stays the caller's. Raises OSError."""
        fd = os.dup(netns_fd)
        self.let_go(container_id)
        self._fds[container_id] = fd

    def let_go(self, container_id: str) -> None:
        """Keep a container's namespace no longer, if it was kept; the interfaces of one whose processes are gone go with it."""
        if (fd := self._fds.pop(container_id, None)) is not None:
            _close(fd)

    def close(self) -> None:
        """Keep none any longer."""
        while self._fds:
            _close(self._fds.popitem()[1])


def _close(fd: int) -> None:
    with suppress(OSError):
        os.close(fd)
