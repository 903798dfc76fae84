"""A daemon that is told to stop does not wait for clients that would stay for ever."""

import subprocess
from collections.abc import Callable

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root


def test_followers_and_attached_clients_are_sent_away(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.run("sleep", "600", name="lab")
    events = subprocess.Popen(
        ["docker", "-H", f"unix://{engine.socket_path}", "events"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with RawClient(engine) as attached, RawClient(engine) as logs, RawClient(engine) as wait:
        attached.post("/containers/lab/attach?stream=1&stdout=1", upgrade=True)
        attached.head()
        logs.socket.sendall(b"GET /containers/lab/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: engine\r\n\r\n")
        logs.head()
        wait.post("/containers/lab/wait")
        wait.head()
        engine.stop()
        assert "Traceback" not in engine.log_path.read_text()
        assert attached.rest() == b""
    events.wait(15)
    engine.start()
    assert engine.inspect("lab")["State"]["Running"]
