"""What the agent tells of labs as a real engine runs, pauses and ends them."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from docker import APIClient

from engine.agent.client import LAB_LABEL, open_client
from engine.agent.events import open_events, read_event
from engine.agent.survey import take_survey
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

LAB = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def client(engine: EngineDaemon) -> Iterator[APIClient]:
    with open_client(f"unix://{engine.socket_path}") as client:
        yield client


def run_lab(client: APIClient) -> str:
    created = client.create_container(image="busybox", command=["sleep", "1000"], labels={LAB_LABEL: LAB})
    client.start(created)
    return str(created["Id"])


def look(engine: EngineDaemon) -> dict[str, Any]:
    lab = take_survey(f"unix://{engine.socket_path}")["labs"].get(LAB, {})
    return {name: lab.get(name) for name in ("is_running", "is_paused")}


def test_pauses_are_told_like_starts_and_ends(engine: EngineDaemon, client: APIClient) -> None:
    events = open_events(client)
    container_id = run_lab(client)
    client.pause(container_id)
    client.unpause(container_id)
    client.kill(container_id)
    told = [read_event(event, oom=False) for event in islice(events, 4)]
    events.close()
    assert [message["action"] for message in told] == ["start", "pause", "unpause", "die"]
    assert {message["lab"] for message in told} == {LAB}
    moments = [message["observed_at_ns"] for message in told]
    assert moments == sorted(moments)


def test_a_survey_knows_what_is_paused(engine: EngineDaemon, client: APIClient) -> None:
    container_id = run_lab(client)
    assert look(engine) == {"is_running": True, "is_paused": False}
    client.pause(container_id)
    assert look(engine) == {"is_running": True, "is_paused": True}
    client.unpause(container_id)
    client.kill(container_id)
    client.wait(container_id)
    assert look(engine) == {"is_running": False, "is_paused": False}
