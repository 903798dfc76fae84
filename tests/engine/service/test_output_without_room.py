"""A tenant's disk is full: what its programs say reaches whoever is attached or follows, and its log tells what it lacks."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from tests.engine.daemon import wait_until
from tests.engine.service.counted import MIB, CountedEngine, counted_engine

pytestmark = pytest.mark.requires_root
LIMIT = 24 * MIB
FILL = "dd if=/dev/zero of=/big bs=1M count=80"
# To the last block: after what is large there is room for what is small, and the log is both.
FULL = f"{FILL} 2>/dev/null; dd if=/dev/zero of=/small bs=512 2>/dev/null; while echo >/x$((n=n+1)); do :; done 2>/dev/null"
SAID = b"dd: error writing '/big': Disk quota exceeded\n"
# Fills the disk, counts on standard output as often as it is asked to, and makes room again when that is asked.
COUNT = f"{FULL}; echo full; while read word; do case $word in free) rm -f /big /small; sync;; *) echo said $word;; esac; done"
NOTICE = re.compile(rb"\[(\d+) bytes of output were lost here: there was no room for the log\]\n")


@pytest.fixture(scope="module")
def counted() -> Iterator[CountedEngine]:
    with counted_engine() as engine:
        yield engine


@pytest.fixture
def tenant(counted: CountedEngine, request: pytest.FixtureRequest) -> Iterator[str]:
    """A member of a team of its own, with the limit."""
    name = f"t{len(request.session.items)}{request.session.items.index(request.node)}/ada"
    counted.limit(name, LIMIT)
    yield name
    counted.remove_containers()


def docker(engine: CountedEngine, tenant: str, *arguments: str) -> list[str]:
    return ["docker", "-H", f"unix://{engine.socket_of(tenant)}", *arguments]


class Talk:
    """Somebody at a container through the docker command: tells it words, and sees what it says."""

    def __init__(self, engine: CountedEngine, tenant: str, *arguments: str, path: Path) -> None:
        self._path = path
        with path.open("wb") as output:
            self.process = subprocess.Popen(
                docker(engine, tenant, *arguments), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def seen(self) -> bytes:
        return self._path.read_bytes()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def expect(self, said: bytes) -> None:
        wait_until(lambda: self.seen.endswith(said), repr(said), hint=lambda: repr(self.seen[-2000:]))

    def end(self) -> bytes:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        return self.seen


@contextmanager
def talking(engine: CountedEngine, tenant: str, *arguments: str, path: Path) -> Iterator[Talk]:
    talk = Talk(engine, tenant, *arguments, path=path)
    try:
        yield talk
    finally:
        with talk.process:
            talk.process.kill()


def lines(*numbers: int) -> bytes:
    return b"".join(b"said %d\n" % number for number in numbers)


@pytest.mark.parametrize("way", [("run", "--rm"), ("run", "--rm", "--log-opt", "max-size=64k", "--log-opt", "max-file=2")])
def test_a_client_sees_why_its_program_fails(counted: CountedEngine, tenant: str, way: tuple[str, ...]) -> None:
    done = subprocess.run(docker(counted, tenant, *way, "busybox", *FILL.split()), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(SAID), done.stderr
    assert b"lost" not in done.stderr


def test_attached_and_following_clients_see_all_and_the_log_tells_what_it_lacks(
    counted: CountedEngine, tenant: str, tmp_path: Path
) -> None:
    with talking(counted, tenant, "run", "-i", "--name", "full", "busybox", "sh", "-c", COUNT, path=tmp_path / "run") as run:
        run.expect(b"full\n")
        run.say("1")
        run.expect(lines(1))
        with (
            talking(counted, tenant, "attach", "--no-stdin", "full", path=tmp_path / "attach") as attached,
            talking(counted, tenant, "logs", "-f", "full", path=tmp_path / "logs") as follower,
            talking(counted, tenant, "logs", "-f", "-t", "full", path=tmp_path / "times") as stamped,
        ):
            follower.expect(lines(1))
            stamped.expect(b"said 1\n")
            wait_until(lambda: attaches(counted, tenant) == 2, "the second client")
            run.say("2")
            for talk in (run, attached, follower, stamped):
                talk.expect(b"said 2\n")
            run.say("free")
            last = say_on(run, lambda: NOTICE.search(kept(counted, tenant, "full")))
            for talk in (run, attached, follower, stamped):
                talk.expect(b"said %d\n" % last)
            assert run.end() == b"full\n" + lines(*range(1, last + 1))
            assert NOTICE.sub(b"", attached.end()) == lines(*range(2, last + 1))
            assert follower.end() == run.seen
            assert re.sub(rb"(?m)^\d{4}-\S+Z ", b"", stamped.end()) == run.seen
    container_id = identity(counted, tenant, "full")
    assert counted.output(container_id) == run.seen
    assert counted.request("POST", f"/containers/{container_id}/start").status == 204
    wait_until(lambda: counted.output(container_id).endswith(b"full\n"), "the second run")
    assert NOTICE.search(counted.output(container_id))
    assert accounted_bytes(counted.output(container_id)) == len(run.seen + b"full\n")


def test_whoever_dies_meanwhile_nothing_is_lost_or_said_twice(counted: CountedEngine, tenant: str) -> None:
    tick = f"{FULL}; echo full; while :; do echo tick $((i=i+1)); sleep 0.02; done"
    container_id = counted.run("sh", "-c", tick, tenant=tenant)
    spill = counted.data_path / "engine" / "containers" / container_id / "spill"

    def go_on() -> None:
        before = len(ticks(counted, container_id))
        wait_until(lambda: len(ticks(counted, container_id)) > before + 10, "more of it", hint=counted.log_path.read_text)

    wait_until(lambda: any(path.stat().st_size for path in spill.iterdir()), "the log to be full")
    go_on()
    counted.kill()
    counted.start()
    go_on()
    supervisor = counted.supervisor_pid()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: counted.supervisor_pid() not in (None, supervisor), "the next supervisor")
    go_on()
    os.kill(counted.pid, signal.SIGHUP)
    wait_until(lambda: "runs code" in counted.log_path.read_text(), "the supervisor to be executed anew")
    go_on()
    assert counted.script(container_id, "rm -f /big /small && sync")[0] == 0
    go_on()
    assert counted.request("POST", f"/containers/{container_id}/stop?t=0").status == 204
    said = counted.output(container_id)
    assert said == b"full\n" + b"".join(b"tick %d\n" % (number + 1) for number in range(said.count(b"tick")))
    assert counted.request("POST", f"/containers/{container_id}/start").status == 204

    def former() -> bytes:
        """What was said before the second run filled its disk."""
        return counted.output(container_id).rpartition(b"full\n")[0]

    wait_until(lambda: accounted_bytes(former()) == len(said), "the second run", hint=lambda: repr(former()))
    assert NOTICE.search(former())


def test_a_container_that_floods_a_full_disk_takes_little_of_the_hosts_and_gives_it_back(
    counted: CountedEngine, tenant: str
) -> None:
    container_id = counted.run(
        "sh", "-c", f"{FULL}; yes $(printf %01000d 0) | head -c 300000000; echo done; sleep 600", tenant=tenant
    )
    folder = counted.data_path / "engine" / "containers" / container_id
    most = 0

    def is_done() -> bool:
        nonlocal most
        most = max(most, spilled_bytes(folder))
        return counted.output(container_id).endswith(b"done\n")

    wait_until(is_done, "the end of the flood")
    assert 0 < most <= 3 * 256 * 1024  # a new segment is there a moment before the oldest goes
    assert spilled_bytes(folder) <= 2 * 256 * 1024
    assert counted.request("POST", f"/containers/{container_id}/restart?t=0").status == 204
    assert counted.request("DELETE", f"/containers/{container_id}?force=1").status == 204
    assert not folder.exists()


def say_on(talk: Talk, condition: Callable[[], object]) -> int:
    """Say numbers from three on until it holds. Return the last."""
    numbers = count(3)

    def holds() -> object:
        talk.say(str(next(numbers)))
        return condition()

    wait_until(holds, "the log to go on")
    return next(numbers) - 1


def kept(engine: CountedEngine, tenant: str, name: str) -> bytes:
    """The log itself, as it lies on the disk."""
    folder = engine.data_path / "engine" / "containers" / identity(engine, tenant, name) / "disk" / "logs"
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def spilled_bytes(folder: Path) -> int:
    total = 0
    for path in (folder / "spill").iterdir():
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def ticks(engine: CountedEngine, container_id: str) -> list[bytes]:
    return re.findall(rb"tick \d+", engine.output(container_id))


def accounted_bytes(output: bytes) -> int:
    """What is there and what is told to be lost."""
    return len(NOTICE.sub(b"", output)) + sum(int(found) for found in NOTICE.findall(output))


def identity(engine: CountedEngine, tenant: str, name: str) -> str:
    return str(engine.request("GET", f"/containers/{name}/json", tenant=tenant).document["Id"])


def attaches(engine: CountedEngine, tenant: str) -> int:
    """How many clients have attached to containers of a tenant so far."""
    answer = engine.request("GET", f"/events?since=0&until={time.time()}", tenant=tenant)
    return [json.loads(line)["Action"] for line in answer.body.splitlines()].count("attach")
