"""Pulls against quotas of images and their bytes: refused before anything is fetched where that is known, else at their end."""

import random
from collections.abc import Iterator

import pytest

from tests.engine.daemon import EngineDaemon, PlainEngine, wait_until
from tests.engine.scripted_registry import ScriptedRegistry, scripted_registry
from tests.engine.service.pulling import lines_of, pull, pulled
from tests.engine.service.quotas import as_tenant, set_quota, used
from tests.engine.storage.tar_archives import archive, member

pytestmark = pytest.mark.requires_root
ADA, BOB = "demo/ada", "demo/bob"


@pytest.fixture(scope="module")
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as served:
        yield served


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineDaemon]:
    engine = PlainEngine()
    try:
        yield engine.start()
    finally:
        engine.destroy()


@pytest.fixture
def engine(shared: EngineDaemon, registry: ScriptedRegistry) -> Iterator[EngineDaemon]:
    registry.asked.clear()
    yield shared
    for tenant in (ADA, BOB, "demo"):
        shared.request("PUT", f"/tenants/{tenant}", {})
        for image in shared.request("GET", "/images/json?all=1", tenant=tenant).document:
            shared.request("DELETE", f"/images/{image['Id']}?force=1", tenant=tenant)


def layers_of(engine: EngineDaemon) -> set[str]:
    """The layers on disk."""
    return {path.name for path in (engine.data_path / "engine" / "layers").iterdir() if path.name not in ("empty", "staging")}


def refused(engine: EngineDaemon, name: str, tenant: str) -> dict[str, object]:
    """Pull what is to be refused; return the figures."""
    answer = pull(engine, name, tenant=tenant)
    last = answer.document if answer.status != 200 else lines_of(answer)[-1]
    message = str(last.get("error") or last.get("message"))
    assert " quota of " in message
    assert message.endswith("or ask for more")
    figures: dict[str, object] = last["quota"]
    return figures


def noise(seed: str, kib: int) -> bytes:
    """A layer whose compressed form is not much smaller."""
    return archive([member(seed, random.Random(seed).randbytes(kib << 10))])


def zeros(seed: str, kib: int) -> bytes:
    """A layer that nearly disappears when it is compressed."""
    return archive([member(seed, bytes(kib << 10))])


def test_what_cannot_fit_by_its_manifest_is_not_fetched(engine: EngineDaemon, registry: ScriptedRegistry) -> None:
    registry.put_image("course/large", "1", [noise("a", 300), noise("b", 300)])
    set_quota(engine, "demo", image_bytes=500 << 10)
    figures = refused(engine, f"{registry.address}/course/large", ADA)
    assert (figures["resource"], figures["tenant"], figures["used"]) == ("image_bytes", "demo", 0)
    assert int(str(figures["requested"])) > 600 << 10
    assert registry.times_asked("/blobs/") == 1, "more than its configuration was fetched"
    set_quota(engine, ADA)
    done = as_tenant(engine, ADA, f"docker pull {registry.address}/course/large:1")
    assert done.returncode == 1
    assert "image size quota of team demo: 60" in done.stderr
    assert layers_of(engine) == set()


def test_one_image_too_many_is_not_fetched(engine: EngineDaemon, registry: ScriptedRegistry) -> None:
    for tag in ("1", "2"):
        registry.put_image("course/many", tag, [noise(tag, 8)])
    set_quota(engine, ADA, images=1)
    name = f"{registry.address}/course/many"
    assert "Pull complete" in pulled(engine, name, tenant=ADA)
    registry.asked.clear()
    answer = pull(engine, name, "2", tenant=ADA)
    assert f"image quota of demo/ada: 1 needed, 0 left of 1; remove {name}:1, or ask for more".encode() in answer.body
    assert registry.times_asked("/blobs/") == 1
    assert pulled(engine, name, tenant=ADA) == [], "what is there is no image more"
    assert used(engine, ADA, "images") == 1


def test_what_turns_out_too_large_leaves_nothing_not_even_for_another_try(
    engine: EngineDaemon, registry: ScriptedRegistry
) -> None:
    registry.put_image("course/bomb", "1", [zeros("a", 2000), noise("small", 10)])
    set_quota(engine, ADA, image_bytes=1000 << 10)
    assert refused(engine, f"{registry.address}/course/bomb", ADA)["resource"] == "image_bytes"
    assert (used(engine, ADA, "images"), used(engine, ADA, "image_bytes")) == (0, 0)
    wait_until(lambda: layers_of(engine) == set(), "no layer to be kept", hint=lambda: str(layers_of(engine)))
    set_quota(engine, ADA, image_bytes=4000 << 10)
    assert "Pull complete" in pulled(engine, f"{registry.address}/course/bomb", tenant=ADA)


def test_layers_that_are_there_need_no_room(engine: EngineDaemon, registry: ScriptedRegistry) -> None:
    base, above = noise("base", 300), noise("above", 20)
    registry.put_image("course/base", "1", [base])
    registry.put_image("course/above", "1", [base, above])
    set_quota(engine, ADA, image_bytes=400 << 10)
    assert "Pull complete" in pulled(engine, f"{registry.address}/course/base", tenant=ADA)
    assert "Pull complete" in pulled(engine, f"{registry.address}/course/above", tenant=ADA)
    assert used(engine, ADA, "image_bytes") == 320 << 10
    assert pulled(engine, f"{registry.address}/course/above", tenant="") == []
    assert used(engine, ADA, "image_bytes") == 0, "what administrators publish is there for everybody"
    for image in engine.request("GET", "/images/json").document:
        engine.request("DELETE", f"/images/{image['Id']}?force=1")


def test_a_refusal_tells_nothing_of_what_others_have(engine: EngineDaemon, registry: ScriptedRegistry) -> None:
    """Whether a layer is stored on the host, and how large it is, would tell what strangers work with."""
    registry.put_image("course/theirs", "1", [zeros("theirs", 3000)])
    registry.put_image("course/nobodys", "1", [zeros("nobody", 3000)])
    assert "Pull complete" in pulled(engine, f"{registry.address}/course/theirs", tenant="other/eve")
    set_quota(engine, ADA, image_bytes=100)
    told = [refused(engine, f"{registry.address}/course/{name}", ADA)["requested"] for name in ("theirs", "nobodys")]
    assert max(int(str(one)) for one in told) < 100 << 10, "the size of the layer itself"
    for image in engine.request("GET", "/images/json", tenant="other/eve").document:
        engine.request("DELETE", f"/images/{image['Id']}?force=1", tenant="other/eve")
