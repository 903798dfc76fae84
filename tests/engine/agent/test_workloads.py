"""What a page asks of containers, images, volumes and networks is done by the real engine, twice without harm, as its owner."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import APIClient
from docker.errors import APIError

from engine.agent import workloads
from engine.agent.client import open_client
from engine.agent.failures import ActionFailed, explain
from engine.agent.shell import import_image
from engine.agent.takers import list_takers, read_memory
from tests.engine.daemon import EngineDaemon, wait_until

IMAGE = "atelier/shell:latest"


@pytest.fixture
def client(engine: EngineDaemon) -> Iterator[APIClient]:
    address = f"unix://{engine.socket_path}"
    with open_client(address) as administrator:
        import_image(administrator, IMAGE)
    with open_client(address, "demo/ada") as client:
        yield client


def run(client: APIClient, name: str, command: str = "sleep 600", **options: Any) -> str:
    host_config = client.create_host_config(**options)
    created = client.create_container(image=IMAGE, command=["sh", "-c", command], name=name, host_config=host_config)
    client.start(created["Id"])
    return str(created["Id"])


def state_of(client: APIClient, container_id: str) -> str:
    return str(client.containers(all=True, filters={"id": container_id})[0]["State"])


@pytest.mark.requires_root
def test_a_container_is_stopped_started_and_removed_however_often_that_is_asked(client: APIClient) -> None:
    container_id = run(client, "web", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    for _ in range(2):
        workloads.stop_container(client, {"id": container_id})
        assert state_of(client, container_id) == "exited"
    for _ in range(2):
        workloads.start_container(client, {"id": container_id})
        assert state_of(client, container_id) == "running"
    for _ in range(2):
        workloads.remove_container(client, {"id": container_id})
        assert not client.containers(all=True, filters={"id": container_id})
    workloads.stop_container(client, {"id": container_id})


@pytest.mark.requires_root
def test_all_that_ran_when_somebody_looked_is_stopped_and_nothing_newer_or_of_others(
    client: APIClient, engine: EngineDaemon
) -> None:
    web, looping = run(client, "web", init=True), run(client, "looping", "exit 1", restart_policy={"Name": "always"})
    paused = run(client, "paused", init=True)
    client.pause(paused)
    with open_client(f"unix://{engine.socket_path}", "demo/alan") as other:
        others = run(other, "others")
        before_ns = time.time_ns()
        wait_until(lambda: client.inspect_container(looping)["RestartCount"] > 0, "a restart")
        newer = run(client, "newer")
        assert sorted(workloads.stop_all(client, {"before_ns": before_ns})["stopped"]) == ["looping", "paused", "web"]
        assert [state_of(client, one) for one in (web, looping, paused, newer)] == ["exited"] * 3 + ["running"]
        assert state_of(other, others) == "running"
    assert workloads.stop_all(client, {"before_ns": before_ns}) == {"stopped": []}


@pytest.mark.requires_root
def test_an_image_goes_with_its_last_name_and_not_while_it_is_used(client: APIClient) -> None:
    container_id = run(client, "maker", "true")
    image_id = str(client.commit(container_id, repository="one")["Id"])
    client.tag(image_id, "two")
    user = client.create_container(image="one", command=["true"])["Id"]
    with pytest.raises(ActionFailed) as refused:
        workloads.remove_image(client, {"id": image_id})
    assert refused.value.kind == "in_use"
    client.remove_container(user)
    for _ in range(2):
        workloads.remove_image(client, {"id": image_id})
        assert image_id not in [image["Id"] for image in client.images()]


@pytest.mark.requires_root
def test_a_volume_and_a_network_are_kept_while_they_are_used(client: APIClient) -> None:
    client.create_volume("data")
    network_id = str(client.create_network("own")["Id"])
    user = run(client, "user", binds=["data:/data"], network_mode="own")
    removals: list[tuple[Callable[..., Any], str]] = [
        (workloads.remove_volume, "data"),
        (workloads.remove_network, network_id),
    ]
    for remove, object_id in removals:
        with pytest.raises(ActionFailed) as refused:
            remove(client, {"id": object_id})
        assert refused.value.kind == "in_use"
    client.remove_container(user, force=True)
    for remove, object_id in removals:
        for _ in range(2):
            remove(client, {"id": object_id})
    assert not client.volumes()["Volumes"]


@pytest.mark.requires_root
def test_what_is_anothers_is_not_touched(client: APIClient, engine: EngineDaemon) -> None:
    container_id = run(client, "mine")
    with open_client(f"unix://{engine.socket_path}", "demo/alan") as other:
        for action in (workloads.stop_container, workloads.remove_container):
            action(other, {"id": container_id})
        with pytest.raises(APIError) as refused:
            workloads.start_container(other, {"id": container_id})
        workloads.remove_image(other, {"id": "sha256:" + "0" * 64})
        assert explain(refused.value).state == "failed"
        assert list_takers(other, "pids") == []
    assert state_of(client, container_id) == "running"


@pytest.mark.requires_root
def test_those_who_take_most_come_first(client: APIClient) -> None:
    run(client, "small")
    run(client, "many", "for i in 1 2 3 4 5 6; do sleep 600 & done; echo started; wait")
    found = list_takers(client, "pids")
    assert [taker["name"] for taker in found] == ["many", "small"]
    assert {taker["name"] for taker in list_takers(client, "memory")} == {"many", "small"}


@pytest.mark.requires_root
def test_of_containers_as_such_those_that_do_not_run_come_first(client: APIClient) -> None:
    run(client, "busy")
    client.create_container(image=IMAGE, command=["true"], name="idle")
    assert [taker["name"] for taker in list_takers(client, "containers")] == ["idle", "busy"]
    assert [taker["name"] for taker in list_takers(client, "running")] == ["busy"]


@pytest.mark.parametrize("resource", ["disk", "images", "labs", "", "nothing"])
def test_where_no_container_would_help_none_is_named(resource: str) -> None:
    assert list_takers(None, resource) == []  # type: ignore[arg-type]  # nobody is asked


@pytest.mark.parametrize(
    ("stats", "used"),
    [
        ({"usage": 100, "stats": {"inactive_file": 30}}, 70),
        ({"usage": 100, "stats": {"total_inactive_file": 40}}, 60),
        ({"usage": 10, "stats": {"inactive_file": 30}}, 0),
        ({"usage": 100}, 100),
        ({}, 0),
    ],
)
def test_memory_is_counted_without_what_the_kernel_takes_back(stats: dict[str, Any], used: int) -> None:
    assert read_memory(stats) == used
