"""Who shares a network, by processes of this machine that are in namespaces of their own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.core.containers import HostConfig
from engine.linux.processes import netns_of
from engine.runtime.log_watch import LogWatcher
from engine.runtime.process import Process
from engine.service.shared_networks import Member, find_networks
from tests.engine.daemon import wait_until
from tests.engine.service.test_admit_container import record

pytestmark = pytest.mark.requires_root


class Sleepers:
    """Processes in namespaces, that end with the test."""

    def __init__(self, undo: ExitStack) -> None:
        self._undo = undo

    def apart(self) -> int:
        """One that has a network to itself."""
        pid = self._begin("unshare", "--net", "sleep", "1000")
        wait_until(lambda: netns_of(pid) != netns_of(os.getpid()), "its own network")
        return pid

    def beside(self, other: int) -> int:
        """One that is in another one's."""
        pid = self._begin("nsenter", "--net", "--target", str(other), "sleep", "1000")
        wait_until(lambda: netns_of(pid) == netns_of(other), "the other one's network")
        return pid

    def _begin(self, *command: str) -> int:
        process = subprocess.Popen(command)
        self._undo.callback(process.wait)
        self._undo.callback(process.kill)
        return process.pid


@pytest.fixture
def sleepers() -> Iterator[Sleepers]:
    with ExitStack() as undo:
        yield Sleepers(undo)


def member(number: int, pid: int, *, network: str = "bridge") -> Member:
    """A container with this init."""
    found = replace(record(number), host=HostConfig(network_mode=network))
    facts = {"id": found.container_id, "kind": "container", "container_id": found.container_id, "pid": pid}
    more = {"tty": False, "identity": "", "started_at_ns": 1, "log": None}
    process = Process(facts=facts | more, fds={}, watcher=LogWatcher(), on_stdin_closed=lambda _: None)
    return Member(found, process, "")


def names(members: tuple[Member, ...]) -> list[str]:
    return [one.record.name for one in members]


def test_those_in_one_namespace_share_it_whatever_their_records_say(sleepers: Sleepers) -> None:
    """The third one's network is that of a run of the first before this one."""
    first, alone = sleepers.apart(), sleepers.apart()
    owner = member(1, first)
    guest = member(2, sleepers.beside(first), network=f"container:{owner.record.container_id}")
    left = member(3, alone, network=f"container:{owner.record.container_id}")
    found = find_networks([guest, left, owner])
    assert [(one.owner.name, names(one.members)) for one in found] == [("n1", ["n2", "n1"]), ("n3", ["n3"])]
    assert [one.namespace for one in found] == [netns_of(first), netns_of(alone)]


def test_the_hosts_network_is_nobodys() -> None:
    """Nor that of who shares the network of a container that has the host's."""
    assert find_networks([member(1, os.getpid(), network=f"container:{'0' * 64}")]) == []


def test_who_has_ended_is_left_out() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    gone = member(1, process.pid)
    assert find_networks([gone]) == []
