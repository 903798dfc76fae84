"""What holds for a tenant's container though nobody asked for it."""

import pytest

from engine.core.limits import TENANT_PIDS
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

TENANT = "class/ada"


def pids_limit(engine: EngineDaemon, container_id: str) -> object:
    return engine.inspect(container_id)["HostConfig"]["PidsLimit"]


def test_a_tenants_container_has_a_limit_of_processes_that_it_cannot_lift(engine: EngineDaemon) -> None:
    engine.import_busybox(tenant=TENANT)
    container_id = engine.create("sleep", "600", tenant=TENANT, HostConfig={"PidsLimit": -1})
    assert pids_limit(engine, container_id) == TENANT_PIDS
    assert engine.request("POST", f"/containers/{container_id}/start", tenant=TENANT).status == 204
    lifted = engine.request("POST", f"/containers/{container_id}/update", {"PidsLimit": -1}, tenant=TENANT)
    assert lifted.status == 200, lifted.body
    assert pids_limit(engine, container_id) == TENANT_PIDS
    stats = engine.request("GET", f"/containers/{container_id}/stats?stream=0&one-shot=1", tenant=TENANT).document
    assert stats["pids_stats"]["limit"] == TENANT_PIDS


def test_an_administrators_has_none_unless_it_is_given(engine: EngineDaemon) -> None:
    assert pids_limit(engine, engine.create("sleep", "600")) is None
