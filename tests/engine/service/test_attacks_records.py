"""What a tenant can make the engine itself keep: records lie outside its disk quota and in the daemon's memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.test_volumes import ADA, BOB, ensure_image

pytestmark = pytest.mark.requires_root
LABELS = {f"label{number}": "x" * 4000 for number in range(60)}  # 240 KB, which one object may have
ENOUGH = 160  # objects, of which fewer weigh 32 MiB


@pytest.fixture
def clean(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    for tenant in (ADA, BOB):
        ensure_image(engine, tenant)
    yield engine
    engine.remove_containers()


def test_volumes_with_labels_without_end_fill_neither_disk_nor_memory(clean: EngineDaemon) -> None:
    made = []
    for number in range(ENOUGH):
        answer = clean.request("POST", "/volumes/create", {"Name": f"v{number}", "Labels": LABELS}, tenant=ADA)
        if answer.status != 201:
            break
        made.append(f"v{number}")
    assert answer.status == 403
    assert "records of volumes of demo/ada" in answer.message
    assert clean.request("POST", "/volumes/create", {"Name": "his", "Labels": LABELS}, tenant=BOB).status == 201
    assert clean.request("DELETE", "/volumes/his", tenant=BOB).status == 204
    for name in made:
        assert clean.request("DELETE", f"/volumes/{name}", tenant=ADA).status == 204
    assert clean.request("POST", "/volumes/create", {"Name": "again", "Labels": LABELS}, tenant=ADA).status == 201
    assert clean.request("DELETE", "/volumes/again", tenant=ADA).status == 204


def test_containers_with_labels_without_end_fill_neither_disk_nor_memory(clean: EngineDaemon) -> None:
    wanted = {"Image": "busybox", "Labels": LABELS, "Env": [f"{name}={value}" for name, value in LABELS.items()]}
    for _ in range(ENOUGH // 2):
        answer = clean.request("POST", "/containers/create", wanted, tenant=ADA)
        if answer.status != 201:
            break
    assert answer.status == 403
    assert "records of containers of demo/ada" in answer.message
    assert clean.request("POST", "/containers/create", wanted, tenant=BOB).status == 201
    clean.remove_containers()
    assert clean.request("POST", "/containers/create", wanted, tenant=ADA).status == 201


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_container_that_asks_for_all_addresses_of_its_subnet_leaves_neighbours_to_others(
    engine: EngineDaemon, family: str
) -> None:
    """The table is one for the whole host: it has twice as many places as a tenant's subnet has addresses."""
    places = Path(f"/proc/sys/net/{family}/neigh/default/gc_thresh3")
    if not places.exists():
        pytest.skip("the host's table is not to be seen from here")
    engine.run("true")  # networks are made ready before the first
    assert int(places.read_text()) >= 2 * 65_536
