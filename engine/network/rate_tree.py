"""The two intermediate devices of an engine, one for each direction, with the same tree of classes on each.

Owns which classes and filters there are: engine, then team, then member, then container. Every class borrows all that it sends
from the one above it, up to its own ceiling, so that no sum passes a ceiling. Blocking, and used from one thread.
"""

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.linux import traffic
from engine.linux.netlink import Rtnetlink, delete_link_message
from engine.network.names import device_group, rate_device_names
from engine.network.rates import UNLIMITED_BPS, Rates, ceiling, queue_bytes

# Its own part of all handles, so that a class named in a packet's priority means nothing to another program's queues. The last 4
# bits are always 0: simple queues take them for a band.
_HANDLE = 0xA7E1_0000
_STEP = 16
_NUMBERS = range(2, 4096)
_ROOT = _HANDLE | _STEP
_TRICKLE_BPS = 8  # what a class may send without asking the one above it; the kernel wants some
_ROOT_BURST_BYTES = 2**20
_IS_NONE = (errno.ENOENT, errno.EINVAL, errno.ENODEV)

Path = tuple[str, ...]


@dataclass(slots=True)
class _Node:
    handle: int
    parent: int
    rates: Rates
    queues: tuple[int, int] | None  # bytes that may wait on each device; None for what has classes below
    below: set[Path] = field(default_factory=set)


class Hook(NamedTuple):
    """Whose class a device's packets are led to, and which of its two directions."""

    path: Path
    receives: bool
    sends: bool


class RateTree:
    """Opened where and when the first limit is needed; raises OSError when the host lacks what is needed.

    Classes that a daemon before this one has left stay until ``drop_stale``: traffic goes on through them.
    """

    def __init__(self, instance: str) -> None:
        self._group = device_group(instance)
        self._names = rate_device_names(instance)
        self._nodes: dict[Path, _Node] = {}
        self._hooks: dict[int, Hook] = {}  # by device
        self._last = _NUMBERS.start
        self._netlink = Rtnetlink()
        try:
            self._in, self._out = (self._open(name) for name in self._names)
            self._stale = {one.handle: one.parent for one in self._listed() if one.handle != _ROOT}
        except OSError:
            self._netlink.close()
            raise

    def _open(self, name: str) -> int:
        self._tolerate(traffic.ifb_message(name, group=self._group), errno.EEXIST)
        index = socket.if_nametoindex(name)
        self._tolerate(traffic.token_bucket_message(index, _HANDLE), errno.EEXIST)
        self._netlink.request(
            traffic.class_message(
                index, _ROOT, parent=_HANDLE, rate=UNLIMITED_BPS, ceiling=UNLIMITED_BPS, burst_bytes=_ROOT_BURST_BYTES
            )
        )
        return index

    @property
    def devices(self) -> dict[str, int]:
        """The kernel's numbers of both devices by name."""
        return dict(zip(self._names, (self._in, self._out), strict=True))

    def _listed(self) -> list[traffic.TrafficClass]:
        return [one for index in (self._in, self._out) for one in traffic.traffic_classes(index)]

    def ensure(self, path: Path, chain: Sequence[Rates]) -> None:
        """Make the classes down to a container's, or change them while packets pass. ``chain`` has the rates of each."""
        parent = _ROOT
        for depth, rates in enumerate(chain, start=1):
            key = path[:depth]
            queues = _queues(chain) if depth == len(chain) else None
            parent = self._ensure_node(key, parent, rates, queues)

    def _ensure_node(self, key: Path, parent: int, rates: Rates, queues: tuple[int, int] | None) -> int:
        node = self._nodes.get(key)
        if node is not None and (node.rates, node.queues) == (rates, queues):
            return node.handle
        handle = node.handle if node is not None else self._free_handle()
        self._netlink.request(*self._class_messages(handle, parent, rates, queues))
        self._nodes[key] = _Node(handle, parent, rates, queues, node.below if node is not None else set())
        if key[:-1]:
            self._nodes[key[:-1]].below.add(key)
        return handle

    def _class_messages(self, handle: int, parent: int, rates: Rates, queues: tuple[int, int] | None) -> list[bytes]:
        messages = []
        for side, (index, bps) in enumerate(((self._in, rates.in_bps), (self._out, rates.out_bps))):
            most, burst_bytes = ceiling(bps)
            messages.append(
                traffic.class_message(index, handle, parent=parent, rate=_TRICKLE_BPS, ceiling=most, burst_bytes=burst_bytes)
            )
            if queues is not None:
                messages.append(traffic.queue_message(index, handle, limit_bytes=queues[side]))
        return messages

    def _free_handle(self) -> int:
        """The one that was free for longest: packets of a container that has gone may still be on their way."""
        used = {node.handle for node in self._nodes.values()} | self._stale.keys()
        for offset in range(len(_NUMBERS)):
            number = _NUMBERS[(self._last - _NUMBERS.start + 1 + offset) % len(_NUMBERS)]
            if _HANDLE | number * _STEP not in used:
                self._last = number
                return _HANDLE | number * _STEP
        raise OSError(errno.ENOSPC, f"all {len(_NUMBERS)} classes for network rates are in use")

    def hook(self, index: int, wanted: Hook) -> None:
        """Lead a device's packets through its container's class, those that it receives, those that it sends, or both."""
        if self._hooks.get(index) == wanted:
            return
        self._tolerate(traffic.hooks_message(index), errno.EEXIST)
        # What the container sends is what the host's end of its pair receives.
        sides = ((wanted.sends, traffic.INGRESS, self._out), (wanted.receives, traffic.EGRESS, self._in))
        program_fd = traffic.load_class_program(self._nodes[wanted.path].handle)
        try:
            for is_wanted, direction, to_index in sides:
                if is_wanted:
                    message = traffic.redirect_message(index, direction, program_fd=program_fd, to_index=to_index)
                    self._netlink.request(message)
                else:
                    self._tolerate(traffic.delete_redirect_message(index, direction), *_IS_NONE)
        finally:
            os.close(program_fd)
        self._hooks[index] = wanted

    def probe(self) -> None:
        """Make a class with a filter that leads to it, on one of the devices themselves. Raises OSError."""
        path = ("probe",)
        self.ensure(path, [Rates(in_bps=UNLIMITED_BPS)])
        self.hook(self._in, Hook(path, receives=False, sends=True))

    def unhook(self, index: int) -> None:
        """Let a device's packets pass as if there were no limits."""
        for direction in (traffic.INGRESS, traffic.EGRESS):
            self._tolerate(traffic.delete_redirect_message(index, direction), *_IS_NONE)
        self._hooks.pop(index, None)

    def forget(self, index: int) -> None:
        """A device goes away, and its filters with it."""
        self._hooks.pop(index, None)

    def release(self, path: Path) -> None:
        """Remove a container's class and those above it that have become empty."""
        while path and (node := self._nodes.get(path)) is not None and not node.below:
            self._delete(node.handle)
            del self._nodes[path]
            if above := self._nodes.get(path[:-1]):
                above.below.discard(path)
            path = path[:-1]

    def drop_stale(self) -> None:
        """Remove the classes of a daemon before this one, those below first."""
        while self._stale:
            parents = set(self._stale.values())
            leaves = [handle for handle in self._stale if handle not in parents] or list(self._stale)
            for handle in leaves:
                self._delete(handle)
                del self._stale[handle]

    def _delete(self, handle: int) -> None:
        for index in (self._in, self._out):
            self._tolerate(traffic.delete_class_message(index, handle), *_IS_NONE)

    @property
    def is_empty(self) -> bool:
        return not self._nodes

    def remove(self) -> None:
        """Take the devices off the host, when nothing is led to them any more."""
        for name in self._names:
            self._tolerate(delete_link_message(name), errno.ENODEV)

    def _tolerate(self, message: bytes, *harmless: int) -> None:
        try:
            self._netlink.request(message)
        except OSError as error:
            if error.errno not in harmless:
                raise

    def close(self) -> None:
        self._netlink.close()


def _queues(chain: Sequence[Rates]) -> tuple[int, int]:
    return queue_bytes([one.in_bps for one in chain]), queue_bytes([one.out_bps for one in chain])
