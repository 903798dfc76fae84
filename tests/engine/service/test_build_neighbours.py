"""What goes on beside a step of a build: others of the same tenant who reach its container, and clients who save."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.service.save_images import OPEN_AT_ONCE
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.building import Built, build

pytestmark = pytest.mark.requires_root

ADA, BOB = "neighbours/ada", "strangers/bob"
WAITING = "FROM busybox\nRUN echo first >/file; until test -e /go; do sleep 0.05; done; rm /go\n"


@contextmanager
def step(engine: EngineDaemon, tag: str) -> Iterator[tuple[str, list[Built]]]:
    """A build that waits in its step until the block's end; yields the container and where the outcome comes."""
    engine.import_busybox("busybox:latest", tenant=ADA)
    outcome: list[Built] = []
    building = threading.Thread(target=lambda: outcome.append(build(engine, WAITING, t=tag, nocache=1, tenant=ADA)))
    building.start()
    listed: list[str] = []

    def is_running() -> bool:
        listed[:] = [one["Id"] for one in engine.request("GET", "/containers/json", tenant=ADA).document]
        return bool(listed) and Path(f"/proc/{pid_of(engine, listed[0])}/root/file").exists()

    wait_until(is_running, "the step to run")
    try:
        yield listed[0], outcome
    finally:
        engine.cli("exec", listed[0], "touch", "/go")  # where it is still there
        building.join()


def pid_of(engine: EngineDaemon, container_id: str) -> int:
    return int(engine.inspect(container_id)["State"]["Pid"])


@pytest.mark.parametrize("held", ["file", "."])
def test_a_descriptor_that_leaves_the_step_changes_no_layer(engine: EngineDaemon, held: str) -> None:
    """As a program might hand it to another container, through a socket in a cache that both have."""
    with step(engine, "held:1") as (container_id, outcome):
        root = f"/proc/{pid_of(engine, container_id)}/root/{held}"
        descriptor = os.open(root, os.O_RDWR if held == "file" else os.O_RDONLY)
    try:
        assert outcome[0].error == ""
        late = os.open("file", os.O_RDWR, dir_fd=descriptor) if held == "." else descriptor
        os.pwrite(late, b"later", 0)
        if late != descriptor:
            os.close(late)
        shown = engine.request("GET", f"/images/{outcome[0].image_id}/json", tenant=ADA).document
        layer = engine.data_path / "engine/images/layers" / shown["RootFS"]["Layers"][-1].removeprefix("sha256:")
        found = [path for path in engine.data_path.rglob("diff/file") if layer.name in str(path)]
        assert [path.read_text() for path in found] == ["first\n"]
    finally:
        os.close(descriptor)


def test_nobody_else_reaches_the_container_of_a_step(engine: EngineDaemon) -> None:
    with step(engine, "private:1") as (container_id, outcome):
        asked = {
            ("GET", f"/containers/{container_id}/json"): 404,
            ("POST", f"/containers/{container_id}/exec"): 404,
            ("POST", f"/containers/{container_id}/rename?name=xyz"): 404,
            ("POST", f"/containers/{container_id}/kill"): 404,
            ("POST", f"/commit?container={container_id}"): 404,
            ("GET", f"/containers/{container_id}/archive?path=/file"): 404,
            ("DELETE", f"/containers/{container_id}?force=1"): 404,
        }
        for (method, path), status in asked.items():
            body = {"Cmd": ["true"]} if method == "POST" else None
            assert engine.request(method, path, body, tenant=BOB).status == status, path
    assert outcome[0].error == ""


MEDDLING = {
    "renames it": ("POST", "/containers/{}/rename?name=mine"),
    "kills it": ("POST", "/containers/{}/kill"),
    "removes it": ("DELETE", "/containers/{}?force=1"),
    "restarts it": ("POST", "/containers/{}/restart?t=0"),
    "pauses it for a moment": ("POST", "/containers/{}/pause"),
    "commits it": ("POST", "/commit?container={}&repo=half"),
}


@pytest.mark.parametrize(("method", "path"), MEDDLING.values(), ids=MEDDLING)
def test_who_meddles_with_a_step_of_their_own_gets_an_error_or_the_image(engine: EngineDaemon, method: str, path: str) -> None:
    """The build ends, nothing of it is left, and the layer is what the step wrote."""
    with step(engine, "meddled:1") as (container_id, outcome):
        assert engine.request(method, path.format(container_id), tenant=ADA).status < 300
        if "pause" in path:
            engine.request("POST", f"/containers/{container_id}/unpause", tenant=ADA)
    (built,) = outcome
    if built.error == "":
        assert engine.request("GET", "/images/meddled:1/json", tenant=ADA).status == 200
    wait_until(
        lambda: engine.request("GET", "/containers/json?all=1", tenant=ADA).document == [],
        "the step to be gone",
        hint=lambda: f"{built} {engine.request('GET', '/containers/json?all=1').document}",
    )


def test_many_who_save_and_do_not_read_leave_threads_to_others(engine: EngineDaemon) -> None:
    engine.import_busybox("busybox:latest", tenant=ADA)
    engine.import_busybox("busybox:latest", tenant=BOB)
    with ExitStack() as stack:
        for _ in range(OPEN_AT_ONCE + 8):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(engine.socket_path))
            client.sendall(f"GET /images/busybox/get HTTP/1.1\r\nHost: engine\r\nAtelier-Tenant: {ADA}\r\n\r\n".encode())
        assert engine.request("GET", "/images/busybox/get", tenant=BOB).status == 200
