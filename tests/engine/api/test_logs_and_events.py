"""Logs, waits and events, against a real engine."""

import json
import re
import threading
import time
import urllib.parse

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, UnixConnection, frames, wait_until

pytestmark = pytest.mark.requires_root


def _logs(engine: EngineDaemon, container_id: str, query: str) -> bytes:
    answer = engine.request("GET", f"/containers/{container_id}/logs?{query}")
    assert answer.status == 200, answer.body
    return b"".join(data for _, data in frames(answer.body))


def test_tail_streams_and_times_choose_the_part(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "echo a; echo b >&2; sleep 1.2; echo c")
    engine.wait(container_id)
    assert sorted(_logs(engine, container_id, "stdout=1&stderr=1").splitlines()) == [b"a", b"b", b"c"]
    assert _logs(engine, container_id, "stdout=1") == b"a\nc\n"
    assert _logs(engine, container_id, "stderr=1") == b"b\n"
    assert _logs(engine, container_id, "stdout=1&tail=1") == b"c\n"
    assert _logs(engine, container_id, "stdout=1&tail=0") == b""
    assert _logs(engine, container_id, "stdout=1&tail=all") == b"a\nc\n"
    middle = time.time() - 0.6
    stamped = _logs(engine, container_id, "stdout=1&timestamps=1").splitlines()
    assert all(re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z [ac]", line) for line in stamped)
    assert _logs(engine, container_id, f"stdout=1&since={middle:.3f}") in (b"c\n", b"")
    first = stamped[0].split()[0].decode()
    assert _logs(engine, container_id, f"stdout=1&until={urllib.parse.quote(first)}") == b"a\n"


def test_a_stream_has_to_be_chosen(engine: EngineDaemon) -> None:
    assert engine.request("GET", f"/containers/{engine.create('true')}/logs").status == 400


def test_what_a_short_command_writes_can_be_read_right_after_its_start(engine: EngineDaemon) -> None:
    for _ in range(10):
        assert b"passwd\n" in _logs(engine, engine.run("ls", "/etc"), "stdout=1")


def test_following_ends_with_the_container(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done")
    assert _logs(engine, container_id, "stdout=1&follow=1") == b"1\n2\n3\n"


def test_the_head_of_a_quiet_log_and_of_a_wait_comes_at_once(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600")
    for request in (f"GET /containers/{container_id}/logs?stdout=1&follow=1", f"POST /containers/{container_id}/wait"):
        with RawClient(engine) as client:
            client.socket.sendall(f"{request} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n".encode())
            assert client.head().startswith(b"HTTP/1.1 200")


def test_waiting_for_the_removal_tells_the_exit_code(engine: EngineDaemon) -> None:
    container_id = engine.create("sh", "-c", "exit 5", HostConfig={"AutoRemove": True})
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/wait?condition=removed")
        client.head()
        engine.request("POST", f"/containers/{container_id}/start")
        assert b'{"StatusCode":5}' in client.read_until(b"}")


def test_an_unknown_condition_is_refused(engine: EngineDaemon) -> None:
    assert engine.request("POST", f"/containers/{engine.create('true')}/wait?condition=bored").status == 400


class _Follower:
    """Reads the event stream in a thread."""

    def __init__(self, engine: EngineDaemon, query: str = "", *, tenant: str = "") -> None:
        self.seen: list[dict[str, object]] = []
        self._connection = UnixConnection(engine.socket_path)
        self._connection.request("GET", f"/events?{query}", headers={"Atelier-Tenant": tenant} if tenant else {})
        self._response = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._response:
            self.seen.append(json.loads(line))

    @property
    def actions(self) -> list[object]:
        return [event["Action"] for event in self.seen]

    def close(self) -> None:
        sock = self._connection.sock
        sock.shutdown(2)
        self._thread.join(5)
        self._response.close()
        self._connection.close()


def test_events_tell_a_containers_life_in_order(engine: EngineDaemon) -> None:
    follower = _Follower(engine, "filters=" + urllib.parse.quote('{"type":["container"],"label":["watched"]}'))
    container_id = engine.run("sh", "-c", "exit 3", Labels={"watched": "yes"}, name="seen")
    engine.run("true", name="unseen")
    engine.wait(container_id)
    engine.request("DELETE", f"/containers/{container_id}")
    wait_until(lambda: "destroy" in follower.actions, "the last event")
    assert follower.actions == ["create", "start", "die", "destroy"]
    die = follower.seen[2]
    assert die["id"] == container_id
    assert die["Actor"]["Attributes"]["exitCode"] == "3"  # type: ignore[index]  # JSON
    follower.close()


def test_events_of_the_past_are_remembered_and_an_end_can_be_set(engine: EngineDaemon) -> None:
    since = time.time()
    container_id = engine.run("true", Labels={"past": "1"})
    engine.wait(container_id)
    filters = urllib.parse.quote('{"label":["past=1"],"event":["start","die"]}')
    answer = engine.request("GET", f"/events?since={since:.9f}&until={time.time():.9f}&filters={filters}")
    assert [json.loads(line)["Action"] for line in answer.body.splitlines()] == ["start", "die"]


def test_events_of_one_tenant_are_not_anothers(engine: EngineDaemon) -> None:
    others, own = _Follower(engine, tenant="red/bob"), _Follower(engine, tenant="blue/ada")
    engine.run("true", tenant="blue/ada")
    wait_until(lambda: "start" in own.actions, "the start")
    assert others.seen == []
    own.close()
    others.close()


def test_a_client_that_goes_away_frees_its_follower(engine: EngineDaemon) -> None:
    before = engine.request("GET", "/info").document["NEventsListener"]
    follower = _Follower(engine)
    wait_until(lambda: engine.request("GET", "/info").document["NEventsListener"] == before + 1, "the follower")
    follower.close()
    wait_until(lambda: engine.request("GET", "/info").document["NEventsListener"] == before, "the follower to be gone")
