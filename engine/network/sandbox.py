"""Configuring interfaces inside the network namespace of a container that runs already: its init has no time for it.

Only messages of our own are sent; nothing of the container is executed or read.
"""

import threading
from collections.abc import Sequence

from engine.linux.namespaces import CLONE_NEWNET, setns
from engine.linux.route_socket import send_messages


def configure(netns_fd: int, messages: Sequence[bytes], *, harmless: int = 0) -> None:
    """Send rtnetlink messages inside the namespace. Raises OSError of the first that fails, unless its errno is ``harmless``."""
    failures: list[OSError] = []

    def send() -> None:
        try:
            setns(netns_fd, CLONE_NEWNET)
            send_messages(list(messages))
        except OSError as error:
            failures.append(error)

    # A thread of its own, which ends there: one that came back could fail to, and would then work in the container's network.
    thread = threading.Thread(target=send, name="sandbox")
    thread.start()
    thread.join()
    if failures and failures[0].errno != harmless:
        raise failures[0]
