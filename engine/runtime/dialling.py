"""A socket in a container's network namespace, made from outside. Part of the supervisor: it has one thread, so it may enter.

The namespace that a socket is made in stays its own, so whoever gets the descriptor needs to go nowhere.
"""

from __future__ import annotations

import os
import socket

from engine.linux.namespaces import CLONE_NEWNET, open_namespace, setns

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


def open_socket(container_pidfd: int, family: str) -> int:
    """Return a TCP socket that is not connected yet, close-on-exec and not blocking. Raises OSError."""
    own = open_namespace(os.getpid(), "net")
    try:
        setns(container_pidfd, CLONE_NEWNET)
        try:
            made = socket.socket(FAMILIES[family], socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)
    return made.detach()
