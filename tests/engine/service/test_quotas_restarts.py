"""Starting and restarting past a quota as clients do it: what is refused says why, runs on if it ran, and lies still if not."""

from collections.abc import Iterator

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.quotas import as_tenant, compose_up, create, plain_engine, refusals, set_quota, used, verb

pytestmark = pytest.mark.requires_root
ADA = "demo/ada"
COMPOSE = "docker-compose -f quota/compose.yml -p quota"
WEB = "quota_web_1"


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineDaemon]:
    with plain_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared: EngineDaemon) -> Iterator[EngineDaemon]:
    """With a service of Compose and a container beside it, both running."""
    set_quota(shared, ADA)  # from now on it has a socket
    done = as_tenant(shared, ADA, compose_up("{image: busybox, command: sleep 600}"))
    assert done.returncode == 0, done
    assert verb(shared, ADA, create(shared, ADA, name="other").document["Id"], "start").status == 204
    yield shared
    for tenant in (ADA, "demo"):
        shared.request("PUT", f"/tenants/{tenant}", {})
    shared.remove_containers()
    as_tenant(shared, ADA, f"{COMPOSE} down")


STARTING = {
    "docker start": f"docker start {WEB}",
    "docker restart": f"docker restart -t 0 {WEB}",
    "docker-compose start": f"{COMPOSE} start",
    "docker-compose restart": f"{COMPOSE} restart -t 0",
    "docker-compose up": f"{COMPOSE} up -d",
}
RESTARTING = {name: STARTING[name] for name in ("docker restart", "docker-compose restart")}
QUOTAS = {"running": "running container quota of", "pids": "process quota of"}


@pytest.mark.parametrize("script", STARTING.values(), ids=STARTING.keys())
@pytest.mark.parametrize(("limited", "resource"), [(ADA, "pids"), ("demo", "running")])
def test_what_lies_still_is_not_started_past_a_quota(engine: EngineDaemon, script: str, resource: str, limited: str) -> None:
    assert verb(engine, ADA, WEB, "stop").status == 204
    set_quota(engine, limited, **{resource: 1})
    before = refusals(engine, ADA).get(resource, 0)
    done = as_tenant(engine, ADA, script)
    assert done.returncode != 0 or script == STARTING["docker-compose restart"], "Compose itself ends that one with 0"
    name = "team demo" if limited == "demo" else ADA
    assert f"{QUOTAS[resource]} {name}: 1 needed, 0 left of 1; stop other" in " ".join((done.stdout + done.stderr).split())
    assert engine.inspect(WEB)["State"]["Status"] == "exited"
    assert refusals(engine, ADA)[resource] > before
    assert used(engine, ADA, "running") == 1
    assert verb(engine, ADA, "other", "stop").status == 204
    assert as_tenant(engine, ADA, script).returncode == 0
    assert engine.inspect(WEB)["State"]["Running"]


@pytest.mark.parametrize("script", RESTARTING.values(), ids=RESTARTING.keys())
@pytest.mark.parametrize("resource", QUOTAS)
def test_what_runs_though_there_is_too_much_is_not_stopped_by_a_restart(engine: EngineDaemon, script: str, resource: str) -> None:
    set_quota(engine, "demo", **{resource: 1})
    run = engine.inspect(WEB)["State"]["StartedAt"]
    done = as_tenant(engine, ADA, script)
    assert QUOTAS[resource] in done.stdout + done.stderr, done
    state = engine.inspect(WEB)["State"]
    assert (state["Running"], state["StartedAt"]) == (True, run)


@pytest.mark.parametrize("script", RESTARTING.values(), ids=RESTARTING.keys())
@pytest.mark.parametrize("resource", QUOTAS)
def test_a_restart_has_its_own_place_in_a_full_quota(engine: EngineDaemon, script: str, resource: str) -> None:
    set_quota(engine, "demo", **{resource: 2})
    run = engine.inspect(WEB)["State"]["StartedAt"]
    assert as_tenant(engine, ADA, script).returncode == 0
    state = engine.inspect(WEB)["State"]
    assert (state["Running"], state["StartedAt"] != run) == (True, True)
