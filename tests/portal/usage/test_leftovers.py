"""Where lab hours are counted, what somebody started with docker does not run on without a lab."""

from typing import Any

import pytest
from django.urls import reverse

from portal.audit.models import AuditEntry
from portal.hosts.models import Host
from portal.jobs.incoming import take_message
from portal.jobs.models import Job, JobState
from portal.jobs.reports import Finish
from portal.jobs.services import finish_job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from portal.notices.models import Notice
from portal.notices.selectors import bell_of
from portal.usage.leftovers import STOP
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)

AT_NS = 10**18


def report(*tenants: tuple[str, int], host: str = "local") -> None:
    views: list[dict[str, Any]] = [{"name": name, "usage": {"running": running}} for name, running in tenants]
    take_message(host_name=host, kind="usage", message={"observed_at_ns": AT_NS, "tenants": views, "capacity": {}})


def count_hours(cast: Cast, *, member: float | None = None, whole: float | None = None) -> None:
    cast.team.member_quota_values = {} if member is None else {"hours": member}
    cast.team.quota_values = {} if whole is None else {"hours": whole}
    cast.team.save()


def stops() -> list[tuple[str, Any]]:
    return list(Job.objects.filter(action=STOP).order_by("pk").values_list("tenant", "parameters"))


@pytest.mark.parametrize(("member", "whole"), [(10, None), (None, 100), (10, 100)])
def test_what_runs_without_a_lab_is_stopped_where_hours_are_counted(
    cast: Cast, member: float | None, whole: float | None
) -> None:
    count_hours(cast, member=member, whole=whole)
    report(("demo", 3), ("demo/ada", 2), ("demo/alan", 0), ("other/oscar", 4), ("demo/nobody", 1), ("demo/", 1))
    assert stops() == [("demo/ada", {"before_ns": AT_NS})]


def test_nothing_is_stopped_where_no_hours_are_counted(cast: Cast) -> None:
    count_hours(cast)
    report(("demo/ada", 2))
    assert stops() == []


@pytest.mark.parametrize("state", list(LabState))
def test_a_lab_that_runs_or_is_about_to_keeps_what_is_beside_it(cast: Cast, state: LabState) -> None:
    count_hours(cast, member=10)
    cast.launch()
    Lab.objects.update(state=state)
    report(("demo/ada", 2))
    assert bool(stops()) == (state in (LabState.STOPPED, LabState.FAILED))


def test_the_lab_of_somebody_else_or_in_another_team_keeps_nothing(cast: Cast) -> None:
    count_hours(cast, member=10)
    lab = cast.launch()
    for values in ({"owner": cast.alan, "team": cast.team}, {"owner": cast.ada, "team": cast.other_team}):
        Lab.objects.filter(pk=lab.pk).update(state=LabState.RUNNING, **values)
        report(("demo/ada", 1))
    assert [tenant for tenant, _parameters in stops()] == ["demo/ada"]


def test_it_is_asked_once_until_that_is_done(cast: Cast) -> None:
    count_hours(cast, member=10)
    for _ in range(3):
        report(("demo/ada", 2))
    assert len(stops()) == 1
    Job.objects.filter(action=STOP).update(state=JobState.COMPLETED)
    report(("demo/ada", 1))
    assert len(stops()) == 2


def test_a_host_that_does_not_answer_keeps_nothing_running_on_another_one(cast: Cast) -> None:
    count_hours(cast, member=10)
    other = Host.objects.create(name="n" * 40)
    for host in (cast.host, other, cast.host, other):
        report(("demo/ada", 2), host=host.name)
    jobs = Job.objects.filter(action=STOP).order_by("pk")
    assert [(job.host, job.dispatched_at is not None) for job in jobs] == [(cast.host, True), (other, True)]


@pytest.mark.parametrize("host", ["elsewhere", "disabled"])
def test_hosts_that_are_not_ours_or_not_in_use_are_not_listened_to(cast: Cast, host: str) -> None:
    count_hours(cast, member=10)
    if host == "disabled":
        cast.host.is_enabled = False
        cast.host.save()
    report(("demo/ada", 2), host="local" if host == "disabled" else host)
    assert stops() == []


@pytest.mark.parametrize(
    ("names", "title", "listed"),
    [
        (["web"], "A container of yours was stopped: no lab runs", "web"),
        (["web", "<b>db</b>"], "Containers of yours were stopped: no lab runs", "web, <b>db</b>"),
    ],
)
def test_the_owner_is_told_what_was_stopped_and_why(cast: Cast, names: list[str], title: str, listed: str) -> None:
    count_hours(cast, member=10)
    report(("demo/ada", 2))
    finish_job(Finish(job_id=Job.objects.get(action=STOP).pk, state=JobState.COMPLETED, result={"stopped": names}))
    (row,) = bell_of(cast.ada).rows
    assert (row.title, row.url) == (title, reverse("workloads:list"))
    assert f"runs only beside a lab: {listed}." in row.body
    assert AuditEntry.objects.get(action=STOP).detail == {"names": listed}
    assert list(Notice.objects.values_list("user__username", flat=True)) == ["ada"]
    assert b"<b>db</b>" not in cast.client(cast.ada).get(reverse("notices:list")).content


def test_nobody_is_told_of_nothing(cast: Cast) -> None:
    count_hours(cast, member=10)
    report(("demo/ada", 2))
    finish_job(Finish(job_id=Job.objects.get(action=STOP).pk, state=JobState.COMPLETED, result={"stopped": []}))
    assert not Notice.objects.exists()
    assert not AuditEntry.objects.filter(action=STOP).exists()
