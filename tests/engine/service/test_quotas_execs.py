"""Execs against a quota of processes: version 1 of cgroups lets in whatever joins one, so the engine asks before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.daemon import Answer, EngineDaemon, frames, wait_until
from tests.engine.service.quotas import as_tenant, create, is_refused, plain_engine, refusals, set_free, set_quota, used, verb

pytestmark = pytest.mark.requires_root
TEAM, ADA, BOB = "demo", "demo/ada", "demo/bob"
AT_ONCE = 12
SLEEP = {"Cmd": ["sleep", "600"]}
WORDS = "process quota of demo/ada: 1 needed, 0 left of "


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineDaemon]:
    with plain_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared: EngineDaemon) -> Iterator[EngineDaemon]:
    yield shared
    set_free(shared)


def running(engine: EngineDaemon, tenant: str, name: str, **fields: object) -> str:
    container_id: str = create(engine, tenant, name=name, **fields).document["Id"]
    assert verb(engine, tenant, container_id, "start").status == 204
    return container_id


def make_exec(engine: EngineDaemon, container: str, tenant: str = ADA, **fields: object) -> Answer:
    return engine.request("POST", f"/containers/{container}/exec", {**SLEEP, **fields}, tenant=tenant)


def start_exec(engine: EngineDaemon, exec_id: str, tenant: str = ADA, *, detach: bool = True) -> Answer:
    return engine.request("POST", f"/exec/{exec_id}/start", {"Detach": detach}, tenant=tenant)


def fill(engine: EngineDaemon, tenant: str) -> int:
    """Let a tenant's quota be just what it has."""
    count = int(used(engine, tenant, "pids"))
    set_quota(engine, tenant, pids=count)
    return count


@pytest.mark.parametrize("acting", [ADA, TEAM, ""])
def test_a_full_tenant_gets_no_exec_whoever_asks(engine: EngineDaemon, acting: str) -> None:
    box = running(engine, ADA, "box")
    count = fill(engine, ADA)
    before = refusals(engine, ADA).get("pids", 0)
    answer = make_exec(engine, box, acting)
    assert is_refused(answer, "pids", ADA), answer.body
    assert f"{WORDS}{count}; stop box" in answer.message
    assert refusals(engine, ADA)["pids"] == before + 1
    assert used(engine, ADA, "pids") == count


def test_the_teams_quota_counts_for_each_member(engine: EngineDaemon) -> None:
    running(engine, BOB, "bobs")
    box = running(engine, ADA, "box")
    fill(engine, TEAM)
    answer = make_exec(engine, box)
    assert is_refused(answer, "pids", TEAM)
    assert "bobs" not in answer.message


def test_an_exec_made_before_is_refused_at_its_start_and_is_over_then(engine: EngineDaemon) -> None:
    box = running(engine, ADA, "box")
    made = [make_exec(engine, box, AttachStdout=True).document["Id"] for _ in range(2)]
    count = fill(engine, ADA)
    assert is_refused(start_exec(engine, made[0]), "pids", ADA)
    said = start_exec(engine, made[1], detach=False)
    assert f"{WORDS}{count}".encode() in b"".join(text for _, text in frames(said.body))
    set_quota(engine, ADA, pids=count + 10)
    for exec_id in made:
        state = engine.request("GET", f"/exec/{exec_id}/json", tenant=ADA).document
        assert (state["Running"], state["ExitCode"]) == (False, 126)
        assert start_exec(engine, exec_id).status == 409
    assert used(engine, ADA, "pids") == count


def test_of_many_at_once_no_more_get_in_than_fit(engine: EngineDaemon) -> None:
    boxes = [running(engine, ADA, "one"), running(engine, ADA, "two")]
    count = int(used(engine, ADA, "pids"))
    set_quota(engine, ADA, pids=count + 5)
    made = [make_exec(engine, boxes[number % 2]).document["Id"] for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda exec_id: start_exec(engine, exec_id), made))
    started = sum(answer.status == 200 for answer in answers)
    assert used(engine, ADA, "pids") == count + started
    assert 1 <= started <= 5
    for _ in range(5 - started):  # one that was just on its way in may have counted twice
        assert start_exec(engine, make_exec(engine, boxes[0]).document["Id"]).status == 200
    assert is_refused(make_exec(engine, boxes[0]), "pids", ADA)
    assert is_refused(verb(engine, ADA, create(engine, ADA).document["Id"], "start"), "pids", ADA)


def test_clients_hear_the_reason_and_can_still_look_and_stop(engine: EngineDaemon) -> None:
    box = running(engine, ADA, "box")
    count = fill(engine, ADA)
    for command in ("docker exec box true", "docker exec -d box true"):
        done = as_tenant(engine, ADA, command)
        assert (done.returncode != 0, f"{WORDS}{count}" in done.stderr) == (True, True), done
    assert "sleep 600" in as_tenant(engine, ADA, "docker top box").stdout
    assert as_tenant(engine, ADA, "docker cp box:/etc/passwd - >passwd").returncode == 0
    assert as_tenant(engine, ADA, "docker restart -t 0 box").returncode == 0
    assert as_tenant(engine, ADA, "docker stop -t 0 box").returncode == 0
    assert not engine.inspect(box)["State"]["Running"]


def test_a_probe_without_a_process_for_it_fails_and_says_why(engine: EngineDaemon) -> None:
    check = {"Test": ["CMD", "true"], "Interval": 50_000_000, "Timeout": 10**10, "Retries": 2}
    box = running(engine, ADA, "box", Healthcheck=check)
    wait_until(lambda: engine.inspect(box)["State"]["Health"]["Status"] == "healthy", "a probe that passes")
    set_quota(engine, ADA, pids=1)
    wait_until(lambda: engine.inspect(box)["State"]["Health"]["Status"] == "unhealthy", "probes to fail")
    last = engine.inspect(box)["State"]["Health"]["Log"][-1]
    assert (last["ExitCode"], f"{WORDS}1" in last["Output"]) == (-1, True)
    set_quota(engine, ADA, pids=50)
    wait_until(lambda: engine.inspect(box)["State"]["Health"]["Status"] == "healthy", "it to recover")
    assert engine.inspect(box)["State"]["Running"]
