"""The daemon or the registry ends in the middle of a pull: what is finished stays, nothing half done does."""

import gzip
import random
from collections.abc import Callable, Iterator

import pytest

from engine.core.digests import sha256_of
from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.registry import Registry, running_registry
from tests.engine.scripted_registry import image_config
from tests.engine.service.pulling import layer_folders, pull_under_way, pulled
from tests.engine.storage.tar_archives import archive, member

pytestmark = pytest.mark.requires_root
LAYERS = 24
ADA, EVE = "demo/ada", "other/eve"


def image_layers() -> list[bytes]:
    """Layers that take a moment each, and a shell."""
    dice = random.Random(4)
    return [archive([member(f"file-{number}", dice.randbytes(300_000))]) for number in range(LAYERS)] + [busybox_tar()]


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    layers = image_layers()
    with running_registry() as running:
        blobs = [gzip.compress(layer, 1) for layer in layers]
        running.put_image("course/long", "1", config=image_config([sha256_of(layer) for layer in layers]), layers=blobs)
        yield running


def staged(engine: EngineDaemon) -> list[str]:
    folders = ("layers/staging", "images/staging", "staging")
    return [str(path) for folder in folders for path in (engine.data_path / "engine").glob(f"{folder}/*")]


def test_a_daemon_killed_at_any_moment_of_a_pull_goes_on_from_there(
    start_engine: Callable[..., EngineDaemon], registry: Registry
) -> None:
    engine = start_engine()
    name = f"{registry.address}/course/long"
    published = len(layer_folders(engine))
    for finished in (0, 1, 3, 8, 15, LAYERS):
        with pull_under_way(engine, name, tenant=ADA):
            wait_until(lambda finished=finished: len(layer_folders(engine)) - published >= finished, f"{finished} layers")  # type: ignore[misc]  # lambda defaults
            engine.kill()
        stored = layer_folders(engine)
        engine.start()
        assert staged(engine) == []
        # A layer that was stored just then may not be noted yet: up to as many as are fetched at once.
        assert len(stored) - len(layer_folders(engine)) <= 3
    said = pulled(engine, name, tenant=ADA)
    assert said.count("Already exists") >= LAYERS - 3 or said == []  # the last kill may have come when the image was recorded
    container_id = engine.create("sh", "-c", "ls /file-* | wc -l", tenant=ADA, Image=f"{name}:1")
    assert engine.request("POST", f"/containers/{container_id}/start", tenant=ADA).status == 204
    assert engine.wait(container_id) == 0
    assert engine.output(container_id).strip() == str(LAYERS).encode()


def test_a_pull_that_only_began_gives_another_tenant_nothing_without_asking_the_registry(
    start_engine: Callable[..., EngineDaemon], registry: Registry
) -> None:
    engine = start_engine()
    name = f"{registry.address}/course/long"
    published = len(layer_folders(engine))
    with pull_under_way(engine, name, tenant=ADA):
        wait_until(lambda: len(layer_folders(engine)) - published >= 3, "3 layers")
        engine.kill()
    engine.start()
    before = len(registry.accesses("GET", "/manifests/"))
    assert pulled(engine, name, tenant=EVE).count("Pull complete") > 0
    assert len(registry.accesses("GET", "/manifests/")) == before + 1


def test_a_registry_that_is_restarted_in_the_middle_delays_a_pull_only(engine: EngineDaemon, registry: Registry) -> None:
    name = f"{registry.address}/course/long"
    published = len(layer_folders(engine))
    with pull_under_way(engine, name, tenant=ADA) as client:
        wait_until(lambda: len(layer_folders(engine)) - published >= 2, "2 layers")
        registry.restart()
        received = b""
        while b"Status: Downloaded" not in received:
            more = client.recv(65_536)
            assert more, received
            assert b"errorDetail" not in received
            received += more
