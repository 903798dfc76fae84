"""Running containers by the network namespace that they share, as the kernel has it.

Records tell another thing: who joined the network of a container that was started anew since is still in the one before. Owns no
judgement of what is done there.
"""

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass

from engine.core.containers import ContainerRecord
from engine.core.namespace_modes import joined_container
from engine.linux.processes import netns_of
from engine.runtime.process import Process


@dataclass(frozen=True, slots=True)
class Member:
    """A running container. ``directory``: its cgroup that counts memory."""

    record: ContainerRecord
    process: Process
    directory: str


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """``namespace``: its inode."""

    namespace: int
    owner: ContainerRecord
    members: tuple[Member, ...]


def find_networks(running: Collection[Member]) -> list[SharedNetwork]:
    """Return them, without the host's own network and those who have that. Blocking."""
    groups: dict[int, list[Member]] = {}
    for member in running:
        with contextlib.suppress(OSError):  # it has just ended
            groups.setdefault(netns_of(member.process.pid), []).append(member)
    groups.pop(netns_of(os.getpid()), None)
    return [SharedNetwork(namespace, _owner(members), tuple(members)) for namespace, members in groups.items()]


def _owner(members: list[Member]) -> ContainerRecord:
    """The one that has joined nobody; where only such are left, the first."""
    return next((one.record for one in members if not joined_container(one.record.host.network_mode)), members[0].record)
