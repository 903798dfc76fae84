"""Which events pass Docker's filters."""

import pytest

from engine.core.events import EngineEvent, matches_event
from engine.core.tenants import Tenant

CONTAINER = EngineEvent(
    "container", "exec_create: sh -c x", "abc123", {"name": "lab", "image": "busybox:1", "k": "v"}, Tenant(), 1
)
IMAGE = EngineEvent("image", "tag", "sha256:ff", {"name": "host:5000/busybox:2"}, Tenant(), 1)
DIE = EngineEvent("container", "die", "abc123", {"name": "lab", "image": "host:5000/busybox"}, Tenant(), 1)


@pytest.mark.parametrize(
    ("event", "name", "values", "expected"),
    [
        (CONTAINER, "event", ("exec_create",), True),
        (CONTAINER, "event", ("exec_create: sh -c x",), True),
        (CONTAINER, "event", ("exec",), False),
        (DIE, "event", ("die", "stop"), True),
        (CONTAINER, "container", ("lab",), True),
        (CONTAINER, "container", ("la",), True),
        (CONTAINER, "container", ("abc",), True),
        (CONTAINER, "container", ("ab1",), False),
        (CONTAINER, "container", ("",), False),
        (IMAGE, "container", ("host",), False),
        (CONTAINER, "image", ("busybox",), True),
        (CONTAINER, "image", ("busybox:1",), True),
        (CONTAINER, "image", ("busybox:2",), False),
        (DIE, "image", ("host:5000/busybox",), True),
        (DIE, "image", ("host",), False),
        (IMAGE, "image", ("host:5000/busybox",), True),
        (IMAGE, "image", ("sha256:ff",), True),
        (CONTAINER, "label", ("k",), True),
        (CONTAINER, "label", ("k=w",), False),
        (CONTAINER, "type", ("image", "container"), True),
        (CONTAINER, "scope", ("swarm",), False),
        (CONTAINER, "node", ("lab",), False),
    ],
)
def test_a_filter_passes_what_dockerd_passes(event: EngineEvent, name: str, values: tuple[str, ...], *, expected: bool) -> None:
    assert matches_event(event, {name: values}) is expected
