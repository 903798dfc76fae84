"""What hosts are told of quotas, in which order, and what becomes of their answers."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.hosts.models import Host
from portal.jobs.incoming import take_message
from portal.jobs.models import Job
from portal.teams.models import Role, TenantOnHost
from portal.teams.quotas import INHERIT
from portal.teams.selectors import effective_quota
from portal.teams.services import create_team, note_team_deletion, remove_member, set_member_default, set_quota, set_role
from tests.portal.conftest import Cast, HostQueue

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 2**30


def pushed(host_queue: HostQueue) -> list[tuple[str, str, Any]]:
    """Return (action, tenant, limits) of all that was sent."""
    return [
        (message["action"], message["parameters"]["tenant"], message["parameters"].get("limits"))
        for message in host_queue.messages()
        if message["action"].startswith("tenant.")
    ]


def row(tenant: str, host: str = "local") -> TenantOnHost:
    return TenantOnHost.objects.get(tenant=tenant, host__name=host)


def answer(tenant: str, **result: Any) -> None:
    """Let the host have done the job that is under way for ``tenant``."""
    job = Job.objects.filter(object_name=tenant, state="pending").exclude(dispatched_at=None).get()
    held = {"limits": job.parameters.get("limits", {}), "rules": job.parameters.get("rules", {}), "refused": {}}
    report = {"job_id": job.pk, "attempt": 1, "state": "completed"}
    result = {"revision": job.parameters["revision"], "observed_at_ns": 5, **held, **result}
    take_message(host_name=job.host.name, kind="job", message={**report, "result": result})


def report_usage(tenants: list[dict[str, Any]], observed_at_ns: int = 10) -> None:
    message = {"observed_at_ns": observed_at_ns, "capacity": {"cpus": 4, "memory": 8 * GIB}, "tenants": tenants}
    take_message(host_name="local", kind="usage", message=message)


def view(tenant: str, limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": tenant, "limits": {"cpus": None, "memory": None, **limits}, "rules": {"pull": None}, "usage": {}, **more}


def test_a_changed_quota_is_sent_with_all_that_holds_and_is_pending_until_the_host_has_it(
    cast: Cast, host_queue: HostQueue
) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"memory": GIB, "labs": 4}, rules={"pull": False})

    (message,) = host_queue.messages()
    assert (message["action"], message["object_key"], message["tenant"]) == ("tenant.set_limits", "tenant:demo@local", "")
    assert message["parameters"] == {"tenant": "demo", "revision": 1, "limits": {"memory": GIB}, "rules": {"pull": False}}
    assert row("demo").is_pending

    answer("demo")

    assert not row("demo").is_pending
    assert row("demo").held == {"limits": {"memory": GIB}, "rules": {"pull": False}}


def test_of_many_quick_changes_only_the_newest_is_sent_behind_the_one_under_way(cast: Cast, host_queue: HostQueue) -> None:
    for pids in (100, 200, 300, 400):
        set_quota(actor=cast.admin, team=cast.team, values={"pids": pids})
    assert pushed(host_queue) == [("tenant.set_limits", "demo", {"pids": 100})]

    answer("demo")

    assert pushed(host_queue)[1:] == [("tenant.set_limits", "demo", {"pids": 400})]
    assert row("demo").is_pending
    answer("demo")
    assert (row("demo").revision, row("demo").acknowledged, Job.objects.count()) == (4, 4, 2)


def test_nothing_is_sent_where_nothing_changed(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 100})
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 100})
    set_quota(actor=cast.admin, team=cast.team, values={"labs": 5})
    assert len(pushed(host_queue)) == 1


def test_the_default_reaches_each_member_and_an_own_value_its_member_only(cast: Cast, host_queue: HostQueue) -> None:
    set_member_default(actor=cast.admin, team=cast.team, values={"memory": GIB})
    assert sorted(tenant for _, tenant, _ in pushed(host_queue)) == ["demo/ada", "demo/alan", "demo/grace"]
    for name in ("ada", "alan", "grace"):
        answer(f"demo/{name}")

    set_quota(actor=cast.admin, team=cast.team, user=cast.ada, values={"memory": 2 * GIB, "pids": 9})

    assert pushed(host_queue)[3:] == [("tenant.set_limits", "demo/ada", {"memory": 2 * GIB, "pids": 9})]
    assert effective_quota(cast.team, cast.ada).set_limits() == {"memory": 2 * GIB, "pids": 9}
    assert effective_quota(cast.team, cast.alan).set_limits() == {"memory": GIB}

    answer("demo/ada")
    set_quota(actor=cast.admin, team=cast.team, user=cast.ada, values={"memory": INHERIT, "pids": INHERIT})
    assert pushed(host_queue)[4:] == [("tenant.set_limits", "demo/ada", {"memory": GIB})]


def test_every_enabled_host_is_told_and_one_that_is_silent_holds_up_no_other(cast: Cast, host_queue: HostQueue) -> None:
    Host.objects.create(name="second")
    Host.objects.create(name="closed", is_enabled=False)
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 1})
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 2})
    take_message(
        host_name="second",
        kind="job",
        message={
            "job_id": Job.objects.filter(host__name="second").earliest("pk").pk,
            "state": "completed",
            "result": {"revision": 1, "limits": {"pids": 1}, "rules": {}},
        },
    )
    keys = set(Job.objects.exclude(dispatched_at=None).values_list("object_key", "parameters__revision"))
    assert keys == {("tenant:demo@local", 1), ("tenant:demo@second", 1), ("tenant:demo@second", 2)}


def test_a_new_member_has_the_default_at_once_and_one_who_leaves_is_forgotten(cast: Cast, host_queue: HostQueue) -> None:
    set_member_default(actor=cast.admin, team=cast.team, values={"pids": 7})
    set_role(actor=cast.admin, team=cast.team, user=cast.oscar, role=Role.STUDENT)
    assert ("tenant.set_limits", "demo/oscar", {"pids": 7}) in pushed(host_queue)
    answer("demo/oscar")

    remove_member(actor=cast.admin, team=cast.team, user=cast.oscar)

    assert pushed(host_queue)[-1] == ("tenant.delete_limits", "demo/oscar", None)
    answer("demo/oscar")
    assert (row("demo/oscar").wanted, row("demo/oscar").is_pending, row("demo/oscar").held) == (
        None,
        False,
        {"limits": {}, "rules": {}},
    )


def test_a_team_that_goes_is_forgotten_with_all_its_members(cast: Cast, host_queue: HostQueue) -> None:
    team = create_team(actor=cast.admin, slug="phys", name="Physics", quota_values={"pids": 9}, member_quota_values={"pids": 3})
    set_role(actor=cast.admin, team=team, user=cast.oscar, role=Role.TEACHER)
    for tenant in ("phys", "phys/oscar"):
        answer(tenant)
    note_team_deletion(actor=cast.admin, team=team)
    assert sorted(pushed(host_queue)[2:]) == [
        ("tenant.delete_limits", "phys", None),
        ("tenant.delete_limits", "phys/oscar", None),
    ]


def test_a_value_that_the_host_cannot_hold_is_kept_with_its_reason(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"disk": GIB, "pids": 5})
    answer("demo", limits={"pids": 5}, refused={"disk": "limit disk cannot hold here: disk driver none"})
    assert row("demo").refused == {"disk": "limit disk cannot hold here: disk driver none"}
    report_usage([view("demo", {"pids": 5})])
    assert len(pushed(host_queue)) == 1

    TenantOnHost.objects.update(changed_at=timezone.now() - timedelta(hours=1))
    report_usage([view("demo", {"pids": 5})])
    assert len(pushed(host_queue)) == 2


@pytest.mark.parametrize("held", [{}, {"pids": 6}, {"pids": 5, "cpus": 1.0}])
def test_a_host_that_holds_something_else_is_told_again(cast: Cast, host_queue: HostQueue, held: dict[str, Any]) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 5})
    answer("demo")
    report_usage([view("demo", {"pids": 5})])
    assert len(pushed(host_queue)) == 1

    report_usage([view("demo", held)])

    assert pushed(host_queue)[1:] == [("tenant.set_limits", "demo", {"pids": 5})]
    report_usage([view("demo", held)], observed_at_ns=11)
    assert len(pushed(host_queue)) == 2


def test_a_report_that_was_taken_before_the_answer_is_no_contradiction(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 5})
    answer("demo", observed_at_ns=20)
    report_usage([view("demo", {})], observed_at_ns=19)
    assert len(pushed(host_queue)) == 1


def test_an_answer_that_comes_late_does_not_hide_a_newer_one(cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 5})
    first = Job.objects.get()
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 6})
    answer("demo")
    answer("demo")
    Job.objects.filter(pk=first.pk).update(state="running")
    result = {"revision": 1, "limits": {"pids": 5}, "rules": {}}
    take_message(host_name="local", kind="job", message={"job_id": first.pk, "state": "completed", "result": result})
    assert (row("demo").acknowledged, row("demo").held["limits"]) == (2, {"pids": 6})


def test_revisions_count_on_from_a_host_that_has_seen_later_ones(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 5})
    answer("demo", newest=7)
    assert host_queue.messages()[-1]["parameters"] == {"tenant": "demo", "revision": 8, "limits": {"pids": 5}, "rules": {}}
    assert row("demo").is_pending
    answer("demo")
    assert not row("demo").is_pending

    set_quota(actor=cast.admin, team=cast.team, values={"pids": 6})
    answer("demo", newest=9)
    assert len(pushed(host_queue)) == 3


def test_a_host_that_is_new_learns_all_quotas_with_its_first_report(cast: Cast, host_queue: HostQueue) -> None:
    type(cast.team).objects.filter(pk=cast.team.pk).update(quota_values={"pids": 50}, member_quota_values={"pids": 5})
    report_usage([])
    assert sorted(tenant for _, tenant, _ in pushed(host_queue)) == ["demo", "demo/ada", "demo/alan", "demo/grace"]


def test_limits_that_somebody_set_by_hand_for_a_tenant_unknown_here_are_left_alone(cast: Cast, host_queue: HostQueue) -> None:
    report_usage([view("strangers/team", {"pids": 5})])
    assert pushed(host_queue) == []


def test_a_user_who_was_deleted_is_forgotten_by_the_hosts_too(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(actor=cast.admin, team=cast.team, user=cast.alan, values={"pids": 5})
    answer("demo/alan")
    User.objects.get(username="alan").delete()
    report_usage([view("demo/alan", {"pids": 5})])
    assert pushed(host_queue)[1:] == [("tenant.delete_limits", "demo/alan", None)]


def test_a_push_that_failed_tells_why_and_is_tried_again_with_the_next_report(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 5})
    failure = {"job_id": Job.objects.get().pk, "attempt": 1, "state": "failed", "error_kind": "refused", "error_message": "no"}
    take_message(host_name="local", kind="job", message=failure)
    assert (row("demo").problem, row("demo").is_pending) == ("no", True)
    report_usage([view("demo", {})])
    assert len(pushed(host_queue)) == 2


def test_a_report_tells_what_is_used_and_how_large_the_host_is(cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 5})
    report_usage([view("demo", {"pids": 5}, usage={"pids": 3, "disk": None}, refusals={"pids": 2}, over=[])])
    cast.host.refresh_from_db()
    assert (cast.host.cpus, cast.host.memory_bytes, cast.host.disk_bytes) == (4.0, 8 * GIB, None)
    assert row("demo").report["usage"] == {"pids": 3, "disk": None}
