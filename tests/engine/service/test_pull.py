"""Pulls: shared work, what need not be fetched, whose images they are, and registries that lie."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_CONFIG, DOCKER_INDEX, DOCKER_LAYER, DOCKER_MANIFEST
from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.scripted_registry import ScriptedRegistry, image_config, manifest, scripted_registry, small_layer
from tests.engine.service.pulling import failure, layer_folders, lines_of, pull, pull_under_way, pulled

pytestmark = pytest.mark.requires_root
ADA, BOB, EVE = "demo/ada", "demo/bob", "other/eve"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        yield registry


@pytest.fixture
def gates(upstream: ScriptedRegistry) -> Iterator[dict[str, threading.Event]]:
    """Blobs that stop half way; all are open at the end."""
    yield upstream.gates
    for gate in upstream.gates.values():
        gate.set()
    upstream.gates.clear()


def blob_of(layer: bytes) -> str:
    return sha256_of(gzip.compress(layer, mtime=0))


def remove_all(engine: EngineDaemon, *tenants: str) -> None:
    """Remove what tests have pulled."""
    for tenant in tenants:
        for image in engine.request("GET", "/images/json", tenant=tenant).document:
            if image["Atelier"]["Tenant"] == tenant:
                engine.request("DELETE", f"/images/{image['Id']}?force=1", tenant=tenant)


def test_a_pulled_image_runs(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    upstream.put_image("course/shell", "1", [busybox_tar(), small_layer("above")])
    said = pulled(engine, f"{upstream.address}/course/shell", tenant=ADA)
    assert (said.count("Already exists"), said.count("Pull complete")) == (1, 1)  # the published busybox has the former
    container_id = engine.create("cat", "/file-above", tenant=ADA, Image=f"{upstream.address}/course/shell:1")
    assert engine.request("POST", f"/containers/{container_id}/start", tenant=ADA).status == 204
    assert engine.wait(container_id) == 0
    assert engine.output(container_id) == b"above" * 100


def test_the_lines_are_those_that_clients_draw(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    layers = [small_layer(f"line-{number}") for number in range(5)]
    digest = upstream.put_image("course/lines", "1", layers)
    name = f"{upstream.address}/course/lines"
    lines = lines_of(pull(engine, name, tenant=ADA))
    assert lines[0] == {"status": "Pulling from course/lines", "id": "1"}
    assert [line["status"] for line in lines[-2:]] == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}:1"]
    for layer in layers:
        said = [line["status"] for line in lines if line.get("id") == blob_of(layer)[7:19]]
        assert [word for word in said if word not in ("Waiting", "Downloading")] == [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ]
    assert sum(line["status"] == "Waiting" for line in lines) == 2
    again = lines_of(pull(engine, name, tenant=ADA))
    assert [line["status"] for line in again[1:]] == [f"Digest: {digest}", f"Status: Image is up to date for {name}:1"]


def test_by_digest_an_image_has_no_tag_but_the_digest(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    digest = upstream.put_image("course/pinned", "1", [small_layer("pinned")])
    name = f"{upstream.address}/course/pinned"
    pulled(engine, name, digest, tenant=ADA)
    found = engine.request("GET", f"/images/{name}@{digest}/json", tenant=ADA).document
    assert (found["RepoTags"], found["RepoDigests"]) == ([], [f"{name}@{digest}"])


def test_of_an_index_the_platforms_own_manifest_is_taken(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    entries = []
    for architecture in ("arm64", "amd64"):
        digest = upstream.put_image("course/many", architecture, [small_layer(architecture)])
        raw, _ = upstream.manifests[f"course/many:{digest}"]
        platform = {"os": "linux", "architecture": architecture}
        entries.append({"mediaType": DOCKER_MANIFEST, "digest": digest, "size": len(raw), "platform": platform})
    index = upstream.put_manifest("course/many", "1", {"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": entries})
    name = f"{upstream.address}/course/many"
    pulled(engine, name, tenant=ADA)
    found = engine.request("GET", f"/images/{name}:1/json", tenant=ADA).document
    assert found["RepoDigests"] == [f"{name}@{index}"]
    assert found["RootFS"]["Layers"] == [sha256_of(small_layer("amd64"))]
    answer = pull(engine, name, tenant=BOB, platform="linux/s390x")
    assert answer.status == 404
    assert "no matching manifest for linux/s390x in the manifest list entries" in answer.message
    assert pull(engine, name, tenant=BOB, platform="linux/arm64").status == 200
    layers = engine.request("GET", f"/images/{name}:1/json", tenant=BOB).document["RootFS"]["Layers"]
    assert layers == [sha256_of(small_layer("arm64"))]


def test_pulls_of_images_that_share_a_layer_fetch_it_once(
    engine: EngineDaemon, upstream: ScriptedRegistry, gates: dict[str, threading.Event]
) -> None:
    shared = small_layer("shared")
    for tag in ("1", "2"):
        upstream.put_image("course/sharing", tag, [shared, small_layer(f"own-{tag}")])
    gates[blob_of(shared)] = threading.Event()
    name = f"{upstream.address}/course/sharing"
    outcomes: dict[str, list[str]] = {}

    def one(tenant: str, tag: str) -> threading.Thread:
        thread = threading.Thread(target=lambda: outcomes.update({tenant + tag: pulled(engine, name, tag, tenant=tenant)}))
        thread.start()
        return thread

    threads = [one(ADA, "1"), one(BOB, "2"), one(EVE, "1"), one(ADA, "2")]
    for tag in ("1", "2"):
        wait_until(lambda tag=tag: upstream.times_asked(f"manifests/{tag}") >= 2, "all to have their manifests")  # type: ignore[misc]  # lambda defaults
    gates[blob_of(shared)].set()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert upstream.times_asked(f"blobs/{blob_of(shared)}") == 1
    remove_all(engine, ADA, BOB, EVE)
    wait_until(lambda: sha256_of(shared) not in layer_folders(engine), "the space to be given back")


def test_who_hangs_up_leaves_the_work_to_others_and_the_last_ends_it(
    engine: EngineDaemon, upstream: ScriptedRegistry, gates: dict[str, threading.Event]
) -> None:
    layer = small_layer("hang-up")
    blob = blob_of(layer)
    upstream.put_image("course/hang-up", "1", [layer])
    gates[blob] = threading.Event()
    name = f"{upstream.address}/course/hang-up"
    with pull_under_way(engine, name, tenant=ADA) as first:
        assert b"Downloading" in received(first, b"Downloading")
        with pull_under_way(engine, name, tenant=BOB) as second:
            received(second, b"Downloading")
            first.close()
            assert engine.request("GET", "/_ping").status == 200
            assert not any(blob in path for path in upstream.broken_off)
    wait_until(lambda: any(blob in path for path in upstream.broken_off), "the download to be ended")
    assert upstream.times_asked(f"blobs/{blob}") == 1
    staging = engine.data_path / "engine/layers/staging"
    wait_until(lambda: not list(staging.iterdir()), "nothing half unpacked to be left")
    assert sha256_of(layer) not in layer_folders(engine)


def received(client: socket.socket, text: bytes) -> bytes:
    """Read until a text has come."""
    found = b""
    while text not in found:
        more = client.recv(65_536)
        assert more, found
        found += more
    return found


def test_who_never_reads_the_progress_holds_nothing_up(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    layers = [small_layer(f"unread-{number}") for number in range(60)]
    upstream.put_image("course/unread", "1", layers)
    name = f"{upstream.address}/course/unread"
    with pull_under_way(engine, name, tenant=ADA):
        wait_until(lambda: engine.request("GET", f"/images/{name}:1/json", tenant=ADA).status == 200, "the pull to end unread")


def test_layers_of_a_pull_that_failed_need_not_be_fetched_again_by_its_tenant(
    engine: EngineDaemon, upstream: ScriptedRegistry, gates: dict[str, threading.Event]
) -> None:
    good, bad = small_layer("good"), small_layer("bad")
    upstream.put_image("course/half", "1", [good, bad])
    name = f"{upstream.address}/course/half"
    whole = upstream.blobs[blob_of(bad)]
    upstream.blobs[blob_of(bad)] = whole[:-1] + bytes([whole[-1] ^ 1])
    gates[blob_of(bad)] = threading.Event()
    with pull_under_way(engine, name, tenant=ADA) as client:
        assert b"errorDetail" not in received(client, b"Pull complete")  # stored, and noted as the tenant's
        gates[blob_of(bad)].set()
        assert b"errorDetail" in received(client, b"errorDetail")
    upstream.blobs[blob_of(bad)] = whole
    said = pulled(engine, name, tenant=ADA)
    assert (said.count("Already exists"), said.count("Pull complete")) == (1, 1)
    remove_all(engine, ADA)
    wait_until(lambda: not {sha256_of(good), sha256_of(bad)} & layer_folders(engine), "the space to be given back")


def test_a_layer_of_another_tenants_image_is_fetched_again_and_not_written_again(
    engine: EngineDaemon, upstream: ScriptedRegistry
) -> None:
    layer = small_layer("twice")
    upstream.put_image("ada/private", "1", [layer])
    upstream.put_image("eve/copy", "1", [layer])
    pulled(engine, f"{upstream.address}/ada/private", tenant=ADA)
    asked = upstream.times_asked("eve/copy/blobs")
    assert "Pull complete" in pulled(engine, f"{upstream.address}/eve/copy", tenant=EVE)
    assert upstream.times_asked("eve/copy/blobs") == asked + 2  # configuration and layer
    # From the same repository the same blob need not come twice, whoever asks.
    assert pulled(engine, f"{upstream.address}/ada/private", tenant="third/one") == ["Already exists"]


def test_knowing_the_diff_id_of_a_private_layer_gives_nobody_its_files(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    secret = small_layer("secret")
    upstream.put_image("ada/secret", "1", [secret])
    pulled(engine, f"{upstream.address}/ada/secret", tenant=ADA)
    upstream.put_image("eve/other-content", "1", [small_layer("mine")], diff_ids=[sha256_of(secret)])
    assert "diff id" in failure(engine, f"{upstream.address}/eve/other-content", tenant=EVE)
    # The blob's digest is right too, but this repository does not have it.
    config = {"mediaType": DOCKER_CONFIG, **upstream.put_blob(image_config([sha256_of(secret)]))}
    named = {"mediaType": DOCKER_LAYER, "digest": blob_of(secret), "size": len(gzip.compress(secret, mtime=0))}
    upstream.put_manifest("eve/no-blob", "1", manifest(config, [named]))
    held_back = upstream.blobs.pop(blob_of(secret))
    assert "not found" in failure(engine, f"{upstream.address}/eve/no-blob", tenant=EVE)
    upstream.blobs[blob_of(secret)] = held_back
    for name in ("eve/other-content", "eve/no-blob"):
        assert engine.request("GET", f"/images/{upstream.address}/{name}:1/json", tenant=EVE).status == 404


@pytest.mark.parametrize("claimed", [0, 2], ids=["fewer", "more"])
def test_a_configuration_that_names_other_layers_than_its_manifest_is_refused(
    engine: EngineDaemon, upstream: ScriptedRegistry, claimed: int
) -> None:
    layer = small_layer("miscounted")
    upstream.put_image("eve/miscounted", str(claimed), [layer], diff_ids=[sha256_of(layer)] * claimed)
    text = failure(engine, f"{upstream.address}/eve/miscounted", str(claimed), tenant=EVE)
    assert f"has 1 layers, but its configuration names {claimed}" in text
    assert sha256_of(layer) not in layer_folders(engine)


def test_a_configuration_that_is_not_what_its_digest_says_is_refused(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    upstream.put_image("eve/config", "1", [small_layer("config")])
    raw, _ = upstream.manifests["eve/config:1"]
    digest = json.loads(raw)["config"]["digest"]
    upstream.blobs[digest] = upstream.blobs[digest].replace(b'"sh"', b'"ls"')
    assert "digest" in failure(engine, f"{upstream.address}/eve/config", tenant=EVE)


def test_each_tenant_has_what_it_pulled_for_itself(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    upstream.put_image("course/each", "1", [small_layer("each")])
    name = f"{upstream.address}/course/each"
    for tenant in (ADA, EVE):
        pulled(engine, name, tenant=tenant)
    assert engine.request("DELETE", f"/images/{name}:1", tenant=ADA).status == 200
    assert engine.request("GET", f"/images/{name}:1/json", tenant=ADA).status == 404
    assert engine.request("GET", f"/images/{name}:1/json", tenant=EVE).status == 200
    assert engine.request("GET", f"/images/{name}:1/json", tenant=BOB).status == 404


def test_all_tags_are_pulled_where_none_is_named(engine: EngineDaemon, upstream: ScriptedRegistry) -> None:
    for tag in ("1", "2"):
        upstream.put_image("course/all", tag, [small_layer(f"all-{tag}")])
    upstream.tags["course/all"] = ["1", "2", "1"]
    name = f"{upstream.address}/course/all"
    answer = pull(engine, name, "", tenant=ADA)
    assert lines_of(answer)[-1] == {"status": f"Status: Downloaded newer image for {name}"}
    for tag in ("1", "2"):
        assert engine.request("GET", f"/images/{name}:{tag}/json", tenant=ADA).status == 200


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (["ok", "../../../x"], "can be none"),
        (["a b"], "can be none"),
        (["x@sha256:" + "0" * 64], "can be none"),
        ([], "no tags"),
        ([str(number) for number in range(2000)], "at most 1000"),
    ],
    ids=["a path", "a space", "a digest", "none", "too many"],
)
def test_a_list_of_tags_is_not_trusted(engine: EngineDaemon, upstream: ScriptedRegistry, tags: list[object], words: str) -> None:
    upstream.tags["eve/tags"] = tags
    answer = pull(engine, f"{upstream.address}/eve/tags", "", tenant=EVE)
    assert answer.status in (400, 404)
    assert words in answer.message


def test_a_daemon_is_stopped_in_the_middle_of_a_pull(
    start_engine: Callable[..., EngineDaemon], upstream: ScriptedRegistry, gates: dict[str, threading.Event]
) -> None:
    layer = small_layer("stopped")
    upstream.put_image("course/stopped", "1", [layer])
    gates[blob_of(layer)] = threading.Event()
    engine = start_engine()
    with pull_under_way(engine, f"{upstream.address}/course/stopped", tenant=ADA) as client:
        received(client, b"Downloading")
        engine.stop()
    gates[blob_of(layer)].set()
    engine.start()
    assert "Pull complete" in pulled(engine, f"{upstream.address}/course/stopped", tenant=ADA)
