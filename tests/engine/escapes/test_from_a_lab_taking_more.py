"""From a lab's own shell: more of the kernel's memory than there is quota for, and the daemon's time and memory."""

import io
import json
import socket
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import wait_until
from tests.engine.escapes.attack_image import COMPILER, attack_tar
from tests.engine.escapes.cells import ADA, BOB
from tests.engine.escapes.labs import Lab, labs_engine, slowest_answer

pytestmark = pytest.mark.requires_root

MIB = 2**20
SLACK_MIB = 16  # what other programs of the host have in their sockets
PATIENCE_SECONDS = 2.0  # each of these stalled the daemon for tens of seconds or longer, or is not noticed at all


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs_engine() as engine:
        yield Lab(engine)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler to make the attackers with")
def test_packets_that_nobody_reads_are_no_memory_beyond_the_limits(lab: Lab) -> None:
    """Of a container by its own limit, and of containers without one by their tenant's. 300 MiB are tried each time."""
    assert lab.ask("POST", "/images/create?fromSrc=-&repo=attack", attack_tar()).status == 200
    container_id = lab.ask("POST", "/containers/create", packets(HostConfig={"Memory": 32 * MIB})).document["Id"]
    assert taken(lab, container_id) <= 32 + SLACK_MIB
    lab.engine.request("PUT", f"/tenants/{ADA}", {"memory": 192 * MIB})
    together = [lab.ask("POST", "/containers/create", packets()).document["Id"] for _ in range(2)]
    assert max([taken(lab, one) for one in together]) <= 192 + SLACK_MIB
    lab.engine.request("PUT", f"/tenants/{ADA}", {})
    for one in (container_id, *together):
        assert lab.ask("DELETE", f"/containers/{one}?force=1").status == 204


def packets(**fields: Any) -> dict[str, Any]:
    return {"Image": "attack", "Cmd": ["packets"], **fields}


def taken(lab: Lab, container_id: str) -> int:
    """MiB of packets in the kernel, all containers together, once the attacker has all that it gets."""
    assert lab.ask("POST", f"/containers/{container_id}/start").status == 204
    wait_until(lambda: b"took" in lab.engine.output(container_id), "the attacker to take all")
    return int(lab.engine.output(container_id).split()[1])


def test_bodies_that_do_not_end_are_few_in_memory(lab: Lab) -> None:
    """Of many connections two may send a large body; the others wait, and small requests go on."""
    length = 4 * MIB
    head = f"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    with ExitStack() as stack:
        senders = [stack.enter_context(lab.connection()) for _ in range(24)]
        left = {sender: head.encode() + b" " * (length - 100) for sender in senders}
        for sender in senders:
            sender.setblocking(False)
        wait_until(lambda: send(left) >= 2, "two bodies to be taken")
        assert lab.ask("GET", "/containers/json").status == 200
        for _ in range(20):
            assert send(left) == 2
            assert lab.ask("POST", "/containers/lab/exec", {"Cmd": ["true"]}).status == 201
        with slowest_answer(lab.engine) as slowest:
            pass
        assert slowest() < PATIENCE_SECONDS


def send(left: dict[socket.socket, bytes]) -> int:
    """Send on each connection what it takes now; answer how many have sent all."""
    for sender in list(left):
        with suppress(BlockingIOError):
            while left[sender]:
                left[sender] = left[sender][sender.send(left[sender][:MIB]) :]
    return sum(not rest for rest in left.values())


_RANGES: dict[str, object] = {f"{first}-65535/tcp": {} for first in range(1, 12_000)}
_STALLS: dict[str, Callable[[Lab], object]] = {
    "ranges that are exposed": lambda lab: create(lab, ExposedPorts=_RANGES),
    "ranges in an image": lambda lab: [
        lab.ask("POST", "/commit?container=lab&repo=ranges", {"ExposedPorts": _RANGES}),
        lab.ask("POST", "/containers/create?name=ranges", {"Image": "ranges", "Cmd": ["true"]}),
        lab.ask("POST", "/containers/ranges/start"),
        lab.ask("GET", "/containers/json?all=1"),
        lab.ask("GET", "/containers/ranges/json"),
        lab.ask("DELETE", "/containers/ranges?force=1"),
    ],
    "ranges in a Dockerfile": lambda lab: lab.ask(
        "POST",
        "/build?q=1",
        dockerfile("FROM busybox\nEXPOSE " + " ".join(f"{first}-65535" for first in range(1, 9000))),
        {"Content-Type": "application/x-tar"},
    ),
    "ranges in a filter": lambda lab: lab.ask(
        "GET", f"/containers/json?filters={quote(json.dumps({'expose': [f'{first}-65535' for first in range(1, 350)]}))}"
    ),
    "hosts": lambda lab: create(lab, HostConfig={"ExtraHosts": [f"h{number}:10.1.1.1" for number in range(99_000)]}),
    "mounts": lambda lab: create(lab, HostConfig={"Mounts": [{"Type": "volume", "Target": f"/{n}"} for n in range(99_000)]}),
    "volumes of others": lambda lab: create(lab, HostConfig={"VolumesFrom": ["lab"] * 99_000}),
    "kernel parameters": lambda lab: create(lab, HostConfig={"Sysctls": {f"net.ipv4.x{n}": "1" for n in range(99_000)}}),
    "devices": lambda lab: create(lab, HostConfig={"Devices": [{"PathOnHost": "/dev/null"}] * 99_000}),
    "ports": lambda lab: create(lab, HostConfig={"PortBindings": {"80/tcp": [{"HostPort": ""}] * 99_000}}),
    "a name of an image": lambda lab: create(lab, Image="a/" * 3_000_000),
    "options of a tmpfs": lambda lab: create(lab, HostConfig={"Tmpfs": {"/x": "rw," * 2_000_000}}),
    "patterns": lambda lab: lab.ask("GET", f"/containers/json?filters={quote(json.dumps({'name': ['(a+)+$']}))}"),
}


@pytest.mark.parametrize("what", _STALLS)
def test_what_costs_much_to_look_at_keeps_nobody_waiting(lab: Lab, what: str) -> None:
    with slowest_answer(lab.engine) as slowest:
        _STALLS[what](lab)
    assert slowest() < PATIENCE_SECONDS


def test_a_commit_with_much_to_change_keeps_nobody_waiting(lab: Lab) -> None:
    """Three seconds of work, and with more changes minutes: none of it on the event loop."""
    changes = "&".join(["changes=EXPOSE%201-65535"] * 45)
    body = {"Env": [f"a{number}=b" for number in range(20_000)]}
    with slowest_answer(lab.engine) as slowest:
        assert lab.ask("POST", f"/commit?container=lab&repo=ports&{changes}", body).status == 201
        assert lab.ask("DELETE", "/images/ports").status == 200
    assert slowest() < PATIENCE_SECONDS


_LONG_TO_READ: dict[str, tuple[bytes, str]] = {
    "parts": (b'{"Cmd":[' + b"[]," * 2_500_000 + b"[]]}", "the body has too many parts"),
    "names in names": (b'{"Labels":{' + b",".join(b'"%d":""' % number for number in range(250_000)) + b"}}", "too many parts"),
    "fields": (b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}", "too many fields"),
    **{
        name: (
            json.dumps({"Image": "busybox", "HostConfig": {name: [f"v{n}:/{n}" for n in range(50_000)]}}).encode(),
            f"in HostConfig.{name}",
        )
        for name in ("Binds", "Links", "MaskedPaths", "ReadonlyPaths")
    },
}


@pytest.mark.parametrize("what", _LONG_TO_READ)
def test_what_would_take_long_to_read_is_refused(lab: Lab, what: str) -> None:
    body, told = _LONG_TO_READ[what]
    with slowest_answer(lab.engine) as slowest:
        answer = lab.ask("POST", "/containers/create", body)
    assert answer.status == 400
    assert told in answer.message
    assert slowest() < PATIENCE_SECONDS


@pytest.mark.parametrize("count", [5000, 200_000])
def test_an_archive_with_very_many_names_is_refused_and_holds_nobody_up(lab: Lab, count: int) -> None:
    """Of the smaller one the names would be an image's, each written anew with the next; the larger one is not even read."""
    with slowest_answer(lab.engine) as slowest:
        answer = lab.ask("POST", "/images/load", named_image(count), {"Content-Type": "application/x-tar"})
        assert lab.engine.request("POST", "/images/busybox/tag?repo=mine", tenant=BOB).status == 201
    assert answer.status == 200
    assert b"too many parts" in answer.body or b"load them from several archives" in answer.body
    assert slowest() < PATIENCE_SECONDS


def named_image(count: int) -> bytes:
    """An archive with an image of very many names."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    table = json.dumps([{"Config": "c.json", "Layers": [], "RepoTags": [f"n:{number}" for number in range(count)]}]).encode()
    return files({"c.json": config, "manifest.json": table})


def test_streams_without_end_keep_nobody_waiting(lab: Lab) -> None:
    """As many as a lab can have, of all kinds, that nobody reads."""
    paths = ("/tenants?stream=1", "/tenants/blue/ada?stream=1", "/events", "/containers/lab/stats?stream=1")
    with ExitStack() as stack:
        for number in range(200):
            connection = stack.enter_context(lab.connection())
            connection.sendall(f"GET {paths[number % 4]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            if number >= 196:
                assert connection.recv(64).split()[1] in (b"200", b"409")
        with slowest_answer(lab.engine) as slowest:
            for _ in range(20):
                assert lab.ask("GET", "/containers/lab/json").status == 200
        assert slowest() < PATIENCE_SECONDS


def test_what_is_no_http_fills_no_log_of_the_host(lab: Lab) -> None:
    before = lab.engine.log_path.stat().st_size
    for _ in range(50):
        for sent in (
            b"\0\1\2\r\n\r\n",
            b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nA" + b":" * 9000 + b"\r\n\r\n",
        ):
            assert b" 400 " in lab.raw(sent)
    assert lab.engine.log_path.stat().st_size - before < 4096


def test_what_fails_at_will_fills_no_log_of_the_host(lab: Lab) -> None:
    """A start that the kernel refuses: the engine cannot know whose fault it is, and tells the host's administrators."""
    wish = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 0, "Hard": 0}]}}
    assert lab.ask("POST", "/containers/create?name=closed", wish).status == 201
    for _ in range(25):
        assert lab.ask("POST", "/containers/closed/start").status == 500
    assert lab.engine.log_path.read_text().count("POST /containers/closed/start failed\n") == 20
    assert lab.ask("DELETE", "/containers/closed").status == 204


def test_a_lab_stays_in_its_cgroups_and_below_their_limits(lab: Lab) -> None:
    """Also where its own cgroups are to be writable: it moves nothing out, and raises no limit."""
    wish = {"Memory": 64 * MIB, "PidsLimit": 50, "SecurityOpt": ["writable-cgroups=true"]}
    body = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": wish}
    assert lab.ask("POST", "/containers/create?name=cage", body).status == 201
    assert lab.ask("POST", "/containers/cage/start").status == 204
    files = (
        "memory.max memory.high pids.max cpu.max memory.limit_in_bytes memory.memsw.limit_in_bytes memory.kmem.tcp.limit_in_bytes"
    )
    script = f"""
        for name in {files}; do for file in $(find /sys/fs/cgroup -maxdepth 2 -name $name); do
            for value in max -1; do echo $value 2>/dev/null >$file && echo raised $file; done; done; done
        for file in /sys/fs/cgroup/../cgroup.procs /sys/fs/cgroup/*/../../cgroup.procs /sys/fs/cgroup/*/../tasks; do
            echo $$ 2>/dev/null >$file && echo left $file; done
        mkdir /tmp/c
        for type in cgroup cgroup2; do mount -t $type none /tmp/c 2>/dev/null && echo mounted $type; done
        echo done"""
    told = lab.shell(script, "cage").splitlines()
    assert told[-1:] == ["done"], told
    assert not [line for line in told if line.startswith(("raised", "left", "mounted"))]
    assert lab.ask("DELETE", "/containers/cage?force=1").status == 204


def create(lab: Lab, **fields: Any) -> object:
    answer = lab.ask("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], **fields})
    assert answer.status in (400, 403), answer.body
    return answer


def dockerfile(text: str) -> bytes:
    return files({"Dockerfile": text.encode()})


def files(contents: dict[str, bytes]) -> bytes:
    """Return a tar."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return output.getvalue()
