"""Every route with more than it can take: long names, queries, headers and bodies, deep documents, half requests, many slow ones.

The engine may refuse in any way, but it answers or hangs up, goes on answering others, and its memory stays what it was.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.api.app import LEFT_OUT, ROUTES
from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until

_LONG = {f"o{number}": "x" * 100 for number in range(20_000)}  # of texts that are told back

pytestmark = pytest.mark.requires_root

LONG = "a" * 2**20
MANY = 10_000
ODD_NAMES = ("..", "%00", "%2e%2e%2f%2e%2e%2fetc", "%ff%fe", "a%0d%0ab", "%F0%9F%98%80", "-", "a" * 3000, "sha256:", "x;y", "'\"")
NO_DOCUMENT = ("/images/create", "/images/load", *(f"/containers/{{name}}/{verb}" for verb in ("wait", "attach", "archive")))
MEMORY_GROWTH_BYTES = 96 * 2**20
WHOLE_ROUTES = [(method, path) for method, path, _ in ROUTES]
ALL = sorted({(method if method != "*" else "POST", path) for method, path in [*WHOLE_ROUTES, *LEFT_OUT]})
BODIES = {
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 300_000,
    "closed deep lists": b"[" * 100_000 + b"]" * 100_000,
    "no document": b"\xff\xfe" * 1000,
    "a large number": b'{"HostConfig":{"Memory":' + b"9" * 100_000 + b"}}",
    "a number beyond all": b'{"HostConfig":{"Memory":1e999999}}',
    "many names": b"{" + b",".join(b'"k%d":1' % number for number in range(100_000)) + b"}",
    "one name many times": b"{" + b",".join([b'"Image":"busybox"'] * 100_000) + b"}",
    "half a surrogate": b'{"Image":"\\ud800","Cmd":["\\udfff"],"Labels":{"\\ud800":"x"}}',
    "null bytes": b'{"Image":"\\u0000","Cmd":["\\u0000"],"User":"\\u0000"}',
    "wrong types": b'{"Image":[],"Cmd":{},"HostConfig":"x","Env":5,"Labels":[],"Tty":"yes"}',
    "nulls": b'{"Image":null,"Cmd":null,"HostConfig":null,"Env":null}',
    "a list": b"[]",
    "a text": b'"x"',
    "too large": b'{"Image":"' + b"a" * (9 * 2**20) + b'"}',
    "long texts": b'{"Image":"' + b"a" * 2**20 + b'","Cmd":["' + b"b" * 2**20 + b'"]}',
}


@pytest.fixture(autouse=True)
def _still_well(engine_daemon: EngineDaemon) -> Iterator[None]:
    """Whatever a test does, the engine answers afterwards and has not grown."""
    before = resident_bytes(engine_daemon.pid)
    yield
    assert engine_daemon.request("GET", "/_ping").body == b"OK"
    assert resident_bytes(engine_daemon.pid) - before < MEMORY_GROWTH_BYTES


def resident_bytes(pid: int) -> int:
    with Path(f"/proc/{pid}/status").open() as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def fill(path: str, name: str) -> str:
    for pattern in ("{name:.+}", "{name}", "{rest:.*}"):
        path = path.replace(pattern, name)
    return path


def raw(engine: EngineDaemon, data: bytes) -> bytes:
    """Send bytes and the end; answers the status line, empty when the engine just hung up."""
    with RawClient(engine) as client:
        try:
            client.socket.sendall(data)
            client.half_close()
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough
        try:
            return client.socket.recv(65_536).split(b"\r\n", 1)[0]
        except (ConnectionResetError, TimeoutError) as error:
            assert not isinstance(error, TimeoutError), "neither answered nor hung up"
            return b""


NEVER = "/swarm/leave"  # says 503 to whatever is sent, as there is no swarm


def is_no_failure(status_line: bytes, path: str = "") -> bool:
    """Anything but a failure of the engine's own. Parts that are left out say 501."""
    if path == NEVER and status_line:
        return status_line.split()[1] in (b"400", b"413", b"503")
    return status_line == b"" or status_line.split()[1][:1] in (b"1", b"2", b"3", b"4") or status_line.split()[1] == b"501"


def request_bytes(method: str, path: str, body: bytes = b"", headers: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nConnection: close\r\n".encode()
    return head + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_name_of_a_megabyte_is_refused(engine_daemon: EngineDaemon, method: str, path: str) -> None:
    assert is_no_failure(raw(engine_daemon, request_bytes(method, fill(path, LONG) if "{" in path else path + LONG)))


@pytest.mark.parametrize(("method", "path"), ALL)
def test_odd_names_are_none(engine_daemon: EngineDaemon, method: str, path: str) -> None:
    for name in (
        "..",
        "%00",
        "%2e%2e%2f%2e%2e%2fetc",
        "%ff%fe",
        "a%0d%0ab",
        "%F0%9F%98%80",
        "-",
        "a" * 3000,
        "sha256:",
        "x;y",
        "'\"",
    ):
        if "events" not in path:
            assert is_no_failure(raw(engine_daemon, request_bytes(method, fill(path, name))), path), name


@pytest.mark.parametrize(("method", "path"), [entry for entry in WHOLE_ROUTES if entry[1] != "/events"])
def test_a_long_query_is_refused_or_read(engine_daemon: EngineDaemon, method: str, path: str) -> None:
    deep = "%5B" * 1500
    for query in (
        "filters=" + LONG,
        "&".join(f"k{number}=v" for number in range(600)),
        f"filters={deep}&limit=1&tail=x&since=x&t=x&signal=x&h=-1&w=99999999999999999999&name={deep[:300]}&size=x&n=x",
        "filters=%7B%22a%22%3A%22b%22%7D&all=%00&limit=99999999999999999999999&follow=0&stream=0&one-shot=1",
        "h=1e5&w=0x5&t=-1&signal=SIGNONE&condition=x&platform=/////&fromImage=%00&repo=%20&tag=%20&stdout=1&until=1e400&tail=1e9",
    ):
        assert is_no_failure(raw(engine_daemon, request_bytes(method, f"{fill(path, 'nobody')}?{query}")), path), query[:80]


@pytest.mark.parametrize(("method", "path"), [entry for entry in WHOLE_ROUTES if entry[0] in ("POST", "PUT", "DELETE")])
def test_a_document_that_is_none_is_refused(engine_daemon: EngineDaemon, method: str, path: str) -> None:
    container_id = engine_daemon.run("sleep", "600", tenant="blue/ada", name="target", StopTimeout=0)
    target = fill(path, "target")
    try:
        for what, body in BODIES.items():
            if path not in NO_DOCUMENT and method != "DELETE":
                assert is_no_failure(raw(engine_daemon, request_bytes(method, target, body)), path), what
    finally:
        engine_daemon.request("DELETE", f"/containers/{container_id}?force=1")


@pytest.mark.parametrize("path", ["/images/load", "/images/create?fromSrc=-"])
@pytest.mark.parametrize("what", [*BODIES, "zeros"])
def test_an_archive_that_is_none_is_refused(engine_daemon: EngineDaemon, path: str, what: str) -> None:
    body = bytes(3 * 2**20) if what == "zeros" else BODIES[what]
    assert is_no_failure(raw(engine_daemon, request_bytes("POST", path, body)))


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + LONG.encode() + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(30_000)),
        b"Atelier-Tenant: " + b"a" * 100_000 + b"\r\n",
        b"X-Registry-Auth: " + b"A" * 60_000 + b"\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Expect: 200-never\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Range: bytes=0-" + b"9" * 5000 + b"\r\n",
        b"\x00: x\r\n",
        b": x\r\n",
        b" folded\r\n",
    ],
    ids=lambda value: value[:40].decode(errors="replace"),
)
def test_odd_headers_are_refused_or_passed_over(engine_daemon: EngineDaemon, headers: bytes) -> None:
    for method, path in (("GET", "/containers/json"), ("POST", "/containers/create"), ("POST", "/exec/x/start")):
        assert is_no_failure(raw(engine_daemon, request_bytes(method, path, b"{}", headers)))


@pytest.mark.parametrize(
    "line", [b"GET", b"GET / HTTP/9.9", b"\x16\x03\x01", b"PRI * HTTP/2.0", b"G" * 100_000, b"\r\n" * 50_000, b"\0" * 100_000]
)
def test_what_is_no_request_is_refused(engine_daemon: EngineDaemon, line: bytes) -> None:
    assert is_no_failure(raw(engine_daemon, line + b"\r\n\r\n"))


@pytest.mark.parametrize(("method", "path"), [entry for entry in WHOLE_ROUTES if entry[1] != "/events"])
def test_half_a_request_is_given_up_with_its_connection(engine_daemon: EngineDaemon, method: str, path: str) -> None:
    whole = request_bytes(method, fill(path, "nobody"), b'{"Image":"busybox","Cmd":["true"]}')
    for length in (1, 5, len(whole) // 2, len(whole) - 35, len(whole) - 1):
        with RawClient(engine_daemon) as client:
            client.socket.sendall(whole[:length])
    assert [
        entry for entry in engine_daemon.request("GET", "/containers/json?all=1").document if "target" in entry["Names"]
    ] == []


def connected(engine: EngineDaemon) -> socket.socket:
    """A connection; as long as the engine is behind with accepting, one is tried for."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(15)

    def connect() -> bool:
        try:
            client.connect(str(engine.socket_path))
        except BlockingIOError:
            return False
        return True

    wait_until(connect, "the engine to accept")
    return client


def test_many_who_say_nothing_and_many_who_are_slow_keep_nobody_waiting(engine_daemon: EngineDaemon) -> None:
    """Ten thousand connections: some silent, some within a head, some within a body."""
    beginnings = [
        b"",
        b"G",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\n",
        request_bytes("POST", "/exec/x/start", bytes(99))[:-50],
    ]
    with ExitStack() as stack:
        for number in range(MANY):
            client = stack.enter_context(connected(engine_daemon))
            client.sendall(beginnings[number % len(beginnings)])
        with connected(engine_daemon) as client:
            client.sendall(request_bytes("GET", "/_ping"))
            assert client.recv(65_536).endswith(b"OK")
    assert engine_daemon.request("GET", "/containers/json").status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"Env": ["A=" + "x" * 200_000]},
        {"Env": [f"A{number}=x" for number in range(50_000)]},
        {"Cmd": ["true", *["x" * 1000] * 3000]},
        {"Cmd": ["/" + "x" * 5000]},
        {"WorkingDir": "/" + "x/" * 4000},
        {"WorkingDir": "/" + "x" * 300},
        {"User": "9" * 5000},
        {"User": "4294967295"},
        {"User": "ada:" + "g" * 5000},
        {"User": "\u0663"},
        {"User": "a\nb:c"},
        {"Hostname": "h" * 64},
        {"Domainname": "d" * 200},
        {"Labels": {f"l{number}": "x" * 100 for number in range(20_000)}},
        {"Entrypoint": ["\ud83d\ude00"]},
        {"Entrypoint": ["", ""]},
        {"Cmd": [""]},
        {"StopSignal": "9" * 5000},
        {"HostConfig": {"Tmpfs": {"/" + "x" * 5000: ""}}},
        {"HostConfig": {"Tmpfs": {"/t": "size=" + "9" * 400}}},
        {"HostConfig": {"Tmpfs": {f"/t{number}": "" for number in range(300)}}},
        {"HostConfig": {"ExtraHosts": [f"h{number}:10.0.0.1" for number in range(20_000)]}},
        {"HostConfig": {"GroupAdd": [str(number) for number in range(70_000)]}},
        {"HostConfig": {"Sysctls": {f"net.x{number}": "1" for number in range(2000)}}},
        {"HostConfig": {"Dns": ["x" * 5000]}},
        {"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}] * 5000}},
        {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"DriverOpts": _LONG}}}},
    ],
    ids=lambda fields: json.dumps(fields)[:50],
)
def test_a_container_of_excess_is_refused_fails_or_runs_and_can_be_removed(
    engine_daemon: EngineDaemon, fields: dict[str, object]
) -> None:
    body = {"Image": "busybox", "Cmd": ["sleep", "600"], **fields}
    created = engine_daemon.request("POST", "/containers/create", body, tenant="blue/ada")
    assert created.status in (201, 400, 413), created.body[:300]
    if created.status == 201:
        container_id = created.document["Id"]
        started = engine_daemon.request("POST", f"/containers/{container_id}/start", tenant="blue/ada")
        assert started.status in (204, 400, 404, 409, 500), started.body[:300]
        assert str(engine_daemon.root).encode() not in started.body
        assert b"internal error" not in started.body
        if started.status == 204:
            execution = {"Cmd": ["true"], "Env": fields.get("Env", []), "User": fields.get("User", "")}
            assert engine_daemon.request("POST", f"/containers/{container_id}/exec", execution).status in (201, 400, 409)
        assert engine_daemon.request("DELETE", f"/containers/{container_id}?force=1").status == 204


@pytest.mark.parametrize(
    "fields", [{"Labels": _LONG}, {"Options": _LONG}, {"IPAM": {"Options": _LONG}}], ids=["labels", "options", "of addresses"]
)
def test_a_network_of_excess_is_refused(engine_daemon: EngineDaemon, fields: dict[str, object]) -> None:
    refused = engine_daemon.request("POST", "/networks/create", {"Name": "excess", **fields}, tenant="blue/ada")
    assert (refused.status, "too long" in refused.message) == (400, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"Cmd": ["x" * 2_000_000]},
        {"Cmd": ["true"] * 100_000},
        {"Cmd": ["true"], "Env": ["=x", "x", "", "A=\x01"]},
        {"Cmd": ["true"], "Env": [f"A{number}=x" for number in range(50_000)]},
        {"Cmd": ["true"], "User": "9" * 5000},
        {"Cmd": ["true"], "User": ":" * 1000},
        {"Cmd": ["true"], "WorkingDir": "x"},
        {"Cmd": ["true"], "WorkingDir": "/" + "x" * 5000},
        {"Cmd": ["true"], "DetachKeys": "ctrl-" * 1000},
        {"Cmd": ["true"], "ConsoleSize": [10**9, 10**9], "Tty": True},
        {"Cmd": [""]},
        {"Cmd": ["\ud83d\ude00"]},
    ],
    ids=lambda fields: json.dumps(fields)[:50],
)
def test_an_exec_of_excess_is_refused_or_fails(engine_daemon: EngineDaemon, fields: dict[str, object]) -> None:
    container_id = engine_daemon.run("sleep", "600", tenant="blue/ada")
    created = engine_daemon.request("POST", f"/containers/{container_id}/exec", fields)
    assert created.status in (201, 400, 409, 413), created.body[:300]
    if created.status == 201:
        started = engine_daemon.request("POST", f"/exec/{created.document['Id']}/start", {"Detach": True})
        assert started.status in (200, 400, 404, 409, 500), started.body[:300]
        assert b"internal error" not in started.body
        assert str(engine_daemon.root).encode() not in started.body
    assert engine_daemon.request("DELETE", f"/containers/{container_id}?force=1").status == 204
