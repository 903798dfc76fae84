"""Quotas, where several ask at once, and the jobs that labs become."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from portal.audit.models import AuditEntry
from portal.common.refusals import Refusal
from portal.jobs.incoming import take_message
from portal.jobs.models import Job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from portal.labs.refusals import NoHost, NotNow, OverQuota
from portal.labs.services import launch_lab, remove_lab, start_lab, stop_lab
from tests.portal.conftest import Cast, HostQueue

pytestmark = pytest.mark.django_db(transaction=True)


def in_parallel(count: int, call: Any) -> list[object]:
    """Return what ``call`` gave or raised in each of so many threads with a connection of its own."""

    def run(_: int) -> object:
        try:
            return call()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def set_quota(cast: Cast, *, of_member: dict[str, float] | None = None, **values: float) -> None:
    type(cast.team).objects.update(quota_values=values, member_quota_values=of_member or {})
    cast.team.refresh_from_db()


def set_state(lab: Lab, state: LabState) -> Lab:
    Lab.objects.filter(pk=lab.pk).update(state=state)
    lab.refresh_from_db()
    return lab


@pytest.mark.parametrize("quota", [{"labs": 2}, {"of_member": {"labs": 2}}])
def test_of_many_launches_at_once_only_so_many_are_granted_as_fit(cast: Cast, quota: dict[str, Any]) -> None:
    set_quota(cast, **quota)

    results = in_parallel(6, lambda: launch_lab(owner=cast.ada, team=cast.team, template=cast.template))

    assert Lab.objects.count() == 2
    assert sum(isinstance(result, OverQuota) for result in results) == 4


@pytest.mark.parametrize("resource", ["cpus", "memory", "pids"])
@pytest.mark.parametrize("of_whom", ["team", "member"])
def test_a_lab_larger_than_a_whole_quota_is_neither_launched_nor_started(cast: Cast, resource: str, of_whom: str) -> None:
    lab = set_state(cast.launch(), LabState.STOPPED)
    enough = dict(cast.template.resources)
    too_small = {**enough, resource: enough[resource] * 0.9}
    set_quota(cast, **(too_small if of_whom == "team" else {}), of_member=too_small if of_whom == "member" else {})
    attempts: list[Callable[[], Lab]] = [cast.launch, lambda: start_lab(actor=cast.ada, lab=lab)]
    for attempt in attempts:
        with pytest.raises(OverQuota) as refusal:
            attempt()
        assert [(short.scope, short.resource) for short in refusal.value.verdict.shortages] == [(of_whom, resource)]
    lab.refresh_from_db()
    assert (lab.state, Lab.objects.count()) == (LabState.STOPPED, 1)


def test_what_runs_of_memory_processors_and_processes_is_for_the_engine_to_count(cast: Cast) -> None:
    set_quota(cast, **dict(cast.template.resources), of_member=None)
    assert [cast.launch().state for _ in range(3)] == [LabState.PENDING] * 3


def test_many_clicks_on_one_button_make_one_job(cast: Cast) -> None:
    lab = set_state(cast.launch(), LabState.RUNNING)

    results = in_parallel(4, lambda: stop_lab(actor=cast.ada, lab=Lab.objects.select_related().get(pk=lab.pk)))

    assert Job.objects.filter(action="lab.stop").count() == 1
    assert sum(isinstance(result, NotNow) for result in results) == 3


def test_a_refused_launch_leaves_nothing(cast: Cast, host_queue: HostQueue) -> None:
    set_quota(cast, of_member={"cpus": 0.4})
    with pytest.raises(OverQuota):
        cast.launch()
    assert not (Lab.objects.exists() or Job.objects.exists() or AuditEntry.objects.exists() or host_queue.messages())


def test_a_stopped_lab_takes_its_place(cast: Cast) -> None:
    set_quota(cast, labs=3)
    set_state(cast.launch(), LabState.STOPPED)
    set_state(cast.launch(), LabState.STOPPED)
    cast.launch()
    with pytest.raises(OverQuota, match="labs"):
        cast.launch()


def test_what_is_being_removed_is_counted_until_the_host_has_said_that_it_is_gone(cast: Cast) -> None:
    set_quota(cast, labs=1)
    lab = cast.launch()
    remove_lab(actor=cast.ada, lab=set_state(lab, LabState.RUNNING))
    with pytest.raises(OverQuota, match="labs"):
        cast.launch()
    job = Job.objects.get(action="lab.remove")
    report = {"job_id": job.pk, "attempt": 1, "sequence": 1, "state": "completed"}
    Job.objects.filter(action="lab.start").update(state="completed")
    Job.objects.filter(pk=job.pk).update(state="pending")
    take_message(host_name="local", kind="job", message=report)
    assert cast.launch().state == LabState.PENDING


def test_the_quota_of_one_member_is_not_touched_by_another(cast: Cast) -> None:
    set_quota(cast, of_member={"labs": 1})
    cast.launch(cast.ada)
    cast.launch(cast.alan)
    with pytest.raises(OverQuota):
        cast.launch(cast.ada)


def test_no_host_no_lab(cast: Cast) -> None:
    type(cast.host).objects.update(is_enabled=False)
    with pytest.raises(NoHost):
        cast.launch()


def test_a_launch_becomes_a_job_for_the_owners_tenant(cast: Cast, host_queue: HostQueue) -> None:
    lab = cast.launch()
    (message,) = host_queue.messages()
    assert (message["action"], message["tenant"], message["object_key"]) == ("lab.start", "demo/ada", f"lab:{lab.uuid}")
    assert message["parameters"] == {
        "lab": str(lab.uuid),
        "image": "atelier/shell:latest",
        "command": [],
        "cpus": 0.5,
        "memory_bytes": 2**27,
        "pids": 100,
        "hostname": "shell",
        "has_docker": False,
    }


def test_removing_waits_for_the_start_that_is_under_way(cast: Cast, host_queue: HostQueue) -> None:
    lab = cast.launch()
    remove_lab(actor=cast.ada, lab=lab)
    assert [message["action"] for message in host_queue.messages()] == ["lab.start"]
    assert list(Job.objects.order_by("pk").values_list("action", flat=True)) == ["lab.start", "lab.remove"]


def test_who_did_what_is_on_record(cast: Cast) -> None:
    lab = set_state(cast.launch(), LabState.RUNNING)
    stop_lab(actor=cast.grace, lab=lab)
    entries = AuditEntry.objects.order_by("pk").values_list("actor_name", "action", "subject")
    assert list(entries) == [("ada", "lab.launch", lab.object_key), ("grace", "lab.stop", lab.object_key)]
