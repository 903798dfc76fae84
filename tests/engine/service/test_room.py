"""Who has removed something to make room has it with the answer, as with dockerd: nobody has to ask twice."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from urllib.parse import quote

import pytest

from tests.engine.daemon import UnixConnection
from tests.engine.service.building import build
from tests.engine.service.counted import MIB, CountedEngine, counted_engine
from tests.engine.service.quotas import as_tenant, compose_up

pytestmark = pytest.mark.requires_root
ADA = "room/ada"
LIMIT = 40 * MIB
FILL = "dd if=/dev/zero of={} bs=1M count=80 2>/dev/null; sync"
PRUNE_VOLUMES = "/volumes/prune?filters=" + quote('{"all":["1"]}')
PRUNE_IMAGES = "/images/prune?filters=" + quote('{"dangling":["0"]}')
TIMES = 2  # what comes back too late may still be in time by chance
Prepared = Callable[[], None]
"""Carries out the removal of what was filled before."""
_numbers = count()


@pytest.fixture(scope="module")
def counted() -> Iterator[CountedEngine]:
    with counted_engine() as engine:
        yield engine


@pytest.fixture
def engine(counted: CountedEngine) -> Iterator[CountedEngine]:
    """Whose tenant may take hardly more than what a test removes."""
    counted.limit("room", LIMIT)
    counted.limit(ADA, LIMIT)
    yield counted
    counted.remove_containers()
    counted.request("POST", PRUNE_VOLUMES, tenant=ADA)
    counted.request("POST", PRUNE_IMAGES, tenant=ADA)
    counted.request("POST", "/build/prune", tenant=ADA)


def asked(engine: CountedEngine, method: str, path: str) -> None:
    answer = engine.request(method, path, tenant=ADA)
    assert answer.status in (200, 204), answer.body


def filler(engine: CountedEngine, place: str = "/big", *, volumes: Sequence[str] = (), binds: Sequence[str] = ()) -> str:
    """A container that has filled the tenant's disk and ended."""
    host = {"Binds": [*binds], "NetworkMode": "none"}
    container_id = engine.run(
        "sh", "-c", FILL.format(place), tenant=ADA, Volumes={volume: {} for volume in volumes}, HostConfig=host
    )
    engine.wait(container_id)
    return container_id


def ended(engine: CountedEngine) -> Prepared:
    container_id = filler(engine)
    return lambda: asked(engine, "DELETE", f"/containers/{container_id}")


def running(engine: CountedEngine) -> Prepared:
    container_id = engine.run("sleep", "600", tenant=ADA)
    engine.script(container_id, FILL.format("/big"))
    return lambda: asked(engine, "DELETE", f"/containers/{container_id}?force=1")


def removing_itself(engine: CountedEngine) -> Prepared:
    container_id = engine.run("sleep", "600", tenant=ADA, HostConfig={"AutoRemove": True, "NetworkMode": "none"})
    engine.script(container_id, FILL.format("/big"))

    def remove() -> None:
        with closing(UnixConnection(engine.socket_path)) as waiting:
            waiting.request("POST", f"/containers/{container_id}/wait?condition=removed", headers={"Atelier-Tenant": ADA})
            answer = waiting.getresponse()  # of which the head comes at once, so the removal is waited for from here on
            asked(engine, "POST", f"/containers/{container_id}/kill")
            assert (answer.status, b"StatusCode" in answer.read()) == (200, True)

    return remove


def run_by_a_client(engine: CountedEngine) -> Prepared:
    script = FILL.format("/big")
    return lambda: shell(engine, f"docker run --rm --network none busybox sh -c '{script}'")


def pruned(engine: CountedEngine) -> Prepared:
    filler(engine)
    return lambda: asked(engine, "POST", "/containers/prune")


def with_its_volume(engine: CountedEngine) -> Prepared:
    container_id = filler(engine, "/v/big", volumes=["/v"])
    return lambda: asked(engine, "DELETE", f"/containers/{container_id}?v=1")


def volume(engine: CountedEngine) -> Prepared:
    name = filled_volume(engine)
    return lambda: asked(engine, "DELETE", f"/volumes/{name}")


def pruned_volume(engine: CountedEngine) -> Prepared:
    filled_volume(engine)
    return lambda: asked(engine, "POST", PRUNE_VOLUMES)


def filled_volume(engine: CountedEngine) -> str:
    name = f"data{next(_numbers)}"
    container_id = filler(engine, "/v/big", binds=[f"{name}:/v"])
    asked(engine, "DELETE", f"/containers/{container_id}")
    return name


def image(engine: CountedEngine) -> Prepared:
    name = imported(engine)
    return lambda: asked(engine, "DELETE", f"/images/{name}")


def pruned_image(engine: CountedEngine) -> Prepared:
    imported(engine)
    return lambda: asked(engine, "POST", PRUNE_IMAGES)


def image_of_a_container(engine: CountedEngine) -> Prepared:
    """It goes with the last container that was made from it."""
    name = imported(engine)
    answer = engine.request("POST", "/containers/create", {"Image": name, "Cmd": ["x"]}, tenant=ADA)
    assert answer.status == 201, answer.body
    asked(engine, "DELETE", f"/images/{name}?force=1")
    return lambda: asked(engine, "DELETE", f"/containers/{answer.document['Id']}")


def pruned_build(engine: CountedEngine) -> Prepared:
    built = build(engine, "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=32\n", tenant=ADA, nocache=1)
    assert built.image_id
    return lambda: asked(engine, "POST", "/build/prune")


def imported(engine: CountedEngine) -> str:
    name = f"own{next(_numbers)}"
    answer = engine.request("POST", f"/images/create?fromSrc=-&repo={name}", noise(32), tenant=ADA)
    assert answer.status == 200, answer.body
    return name


def noise(mib: int) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        member = tarfile.TarInfo("data")
        member.size = mib * MIB
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    return output.getvalue()


def failed_step(engine: CountedEngine) -> Prepared:
    def fail() -> None:
        failed = build(engine, "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=80\n", tenant=ADA, nocache=1)
        assert "returned a non-zero code: 1" in failed.error

    return fail


def failed_copy(engine: CountedEngine) -> Prepared:
    def fail() -> None:
        failed = build(engine, "FROM busybox\nCOPY data /\n", {"data": os.urandom(80 * MIB)}, tenant=ADA)
        assert "disk quota" in failed.error

    return fail


def failed_import(engine: CountedEngine) -> Prepared:
    def fail() -> None:
        assert engine.request("POST", "/images/create?fromSrc=-&repo=own", noise(80), tenant=ADA).status == 403

    return fail


def composed(engine: CountedEngine) -> Prepared:
    command = FILL.format("/v/big").replace("2>/dev/null; sync", "")
    shell(engine, compose_up(f"{{image: busybox, volumes: ['v:/v'], command: {command}}}", "volumes: {v: }", project="full"))
    name = engine.request("GET", "/containers/json?all=1", tenant=ADA).document[0]["Id"]
    engine.wait(name)
    return lambda: shell(engine, "docker-compose -f full/compose.yml -p full down -v")


def shell(engine: CountedEngine, script: str) -> None:
    done = as_tenant(engine, ADA, script)
    assert done.returncode == 0, done.stderr


WAYS: dict[str, Callable[[CountedEngine], Prepared]] = {
    "rm": ended,
    "rm -f": running,
    "--rm": removing_itself,
    "run --rm by a client": run_by_a_client,
    "container prune": pruned,
    "rm -v": with_its_volume,
    "volume rm": volume,
    "volume prune": pruned_volume,
    "rmi": image,
    "image prune": pruned_image,
    "rm of what alone kept an image": image_of_a_container,
    "builder prune": pruned_build,
    "a failed RUN": failed_step,
    "a failed COPY": failed_copy,
    "a failed import": failed_import,
    "compose down": composed,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_room_is_there_with_the_answer(engine: CountedEngine, way: Callable[[CountedEngine], Prepared]) -> None:
    """What runs writes at once, and something new is made."""
    other = engine.run("sleep", "600", tenant=ADA, HostConfig={"NetworkMode": "none"})
    for _ in range(TIMES):
        remove = way(engine)
        remove()
        code, said = engine.script(other, "dd if=/dev/zero of=/mine bs=1M count=28")
        assert code == 0, said
        assert engine.script(other, "rm /mine; sync")[0] == 0


def test_who_is_full_creates_and_starts_right_after_the_removal(engine: CountedEngine) -> None:
    container_id = filler(engine)
    for _ in range(2 * TIMES):
        asked(engine, "DELETE", f"/containers/{container_id}")
        container_id = filler(engine)


def test_one_client_is_not_refused_while_another_one_of_the_same_tenant_removes(engine: CountedEngine) -> None:
    """The second only waits for what has gone already: it is the one that removed that is still being answered."""
    for _ in range(TIMES):
        container_id = filler(engine)
        with ThreadPoolExecutor(1) as first:
            removing = first.submit(asked, engine, "DELETE", f"/containers/{container_id}")
            while engine.request("GET", f"/containers/{container_id}/json", tenant=ADA).status == 200:
                pass
            asked_id = engine.run("true", tenant=ADA)
            removing.result()
        asked(engine, "DELETE", f"/containers/{asked_id}?force=1")


def test_a_team_that_is_full_has_its_room_back_when_a_member_removes(engine: CountedEngine) -> None:
    engine.limit(ADA, None)
    other = engine.run("sleep", "600", tenant="room/bob", HostConfig={"NetworkMode": "none"})
    for _ in range(TIMES):
        asked(engine, "DELETE", f"/containers/{filler(engine)}")
        code, said = engine.script(other, "dd if=/dev/zero of=/mine bs=1M count=28")
        assert code == 0, said
        assert engine.script(other, "rm /mine; sync")[0] == 0
