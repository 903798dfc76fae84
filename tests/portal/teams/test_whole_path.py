"""A quota from the portal to the engine and back, through a real Redis, worker, agent and engine."""

from typing import Any

import pytest
from celery import current_app

from portal.teams.models import Role, TenantOnHost
from portal.teams.services import remove_member, set_member_default, set_quota, set_role
from tests.engine.daemon import wait_until
from tests.portal.conftest import Cast
from tests.portal.programs import Programs

pytestmark = [pytest.mark.requires_root, pytest.mark.django_db(transaction=True)]

MIB = 2**20


def held(programs: Programs, tenant: str) -> dict[str, Any] | None:
    """Return the limits that the engine holds for a tenant; None where it knows none."""
    answer = programs.engine.request("GET", f"/tenants/{tenant}")
    if answer.status != 200:
        return None
    return {name: value for name, value in answer.document["limits"].items() if value is not None}


def wait_until_held(programs: Programs, tenant: str, limits: dict[str, Any] | None) -> None:
    wait_until(
        lambda: (held(programs, tenant) or None) == limits,
        f"the engine to hold {limits} for {tenant}",
        hint=lambda: f"{held(programs, tenant)} {programs.log('agent')} {programs.log('worker')}",
    )


def wait_until_acknowledged(tenant: str) -> TenantOnHost:
    wait_until(lambda: not TenantOnHost.objects.get(tenant=tenant).is_pending, f"{tenant} to be acknowledged")
    return TenantOnHost.objects.get(tenant=tenant)


def test_a_quota_reaches_the_engine_and_is_acknowledged(programs: Programs, cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"memory": 512 * MIB, "pids": 300, "labs": 3}, rules={"push": False})
    set_member_default(actor=cast.admin, team=cast.team, values={"memory": 128 * MIB})

    wait_until_held(programs, "demo", {"memory": 512 * MIB, "pids": 300})
    wait_until_held(programs, "demo/ada", {"memory": 128 * MIB})
    row = wait_until_acknowledged("demo")
    assert row.held == {"limits": {"memory": 512 * MIB, "pids": 300}, "rules": {"push": False}}

    set_quota(actor=cast.admin, team=cast.team, values={"memory": 256 * MIB})
    wait_until_held(programs, "demo", {"memory": 256 * MIB, "pids": 300})


def test_what_is_used_is_reported_after_a_change(programs: Programs, cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 300})
    wait_until(lambda: bool(TenantOnHost.objects.get(tenant="demo").report), "a report of what is used")
    cast.host.refresh_from_db()
    assert TenantOnHost.objects.get(tenant="demo").report["usage"]["containers"] == 0
    assert cast.host.memory_bytes


def test_limits_that_the_engine_lost_are_brought_back_with_the_next_survey(programs: Programs, cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 300})
    wait_until_held(programs, "demo", {"pids": 300})
    wait_until_acknowledged("demo")
    assert programs.engine.request("DELETE", "/tenants/demo").status == 204

    current_app.send_task("engine.survey", queue=cast.host.queue)

    wait_until_held(programs, "demo", {"pids": 300})


def test_a_member_who_leaves_is_forgotten_by_the_engine(programs: Programs, cast: Cast) -> None:
    set_member_default(actor=cast.admin, team=cast.team, values={"pids": 30})
    set_role(actor=cast.admin, team=cast.team, user=cast.oscar, role=Role.STUDENT)
    wait_until_held(programs, "demo/oscar", {"pids": 30})
    remove_member(actor=cast.admin, team=cast.team, user=cast.oscar)
    wait_until_held(programs, "demo/oscar", None)
