"""Lab hours: what hosts see becomes stretches of time, and those become a quota."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.jobs.incoming import take_message
from portal.jobs.models import Job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from portal.labs.refusals import OverQuota
from portal.labs.services import start_lab
from portal.notices.models import Notice
from portal.notices.selectors import bell_of
from portal.teams.models import Team
from portal.usage.models import LabRun
from portal.usage.selectors import hours_this_week, this_week
from portal.usage.services import prune_usage, watch_hours
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
# Some seconds that all lie in the past and, whenever a test runs, in one week.
T0 = max(timezone.now() - timedelta(seconds=3000), this_week().begin)


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


@pytest.fixture
def lab(cast: Cast) -> Lab:
    lab = cast.launch()
    Lab.objects.update(state=LabState.RUNNING)
    Job.objects.update(state="completed")
    lab.refresh_from_db()
    return lab


def event(lab: Lab, action: str, seconds: float, host: str = "local", tenant: str = "") -> None:
    message = {"action": action, "lab": str(lab.pk), "container_id": "c1", "observed_at_ns": ns(T0 + seconds * SECOND)}
    message["tenant"] = tenant or lab.tenant
    take_message(host_name=host, kind="event", message=message)


def survey(seconds: float, *running: Lab, paused: tuple[Lab, ...] = (), tenant: str = "") -> None:
    seen = {
        str(one.pk): {"container_id": "c1", "tenant": tenant or one.tenant, "is_running": True, "is_paused": one in paused}
        for one in (*running, *paused)
    }
    take_message(host_name="local", kind="survey", message={"labs": seen, "observed_at_ns": ns(T0 + seconds * SECOND)})


def runs(lab: Lab) -> list[tuple[float, float | None]]:
    """Begin and end of each run, in seconds after T0."""
    start = datetime.fromtimestamp(int(T0.timestamp()), tz=T0.tzinfo)
    return [
        ((run.begun_at - start).total_seconds(), (run.ended_at - start).total_seconds() if run.ended_at else None)
        for run in LabRun.objects.filter(lab_id=lab.pk).order_by("begun_at")
    ]


def test_a_run_goes_from_start_to_end(lab: Lab) -> None:
    event(lab, "start", 10)
    assert runs(lab) == [(10, None)]
    event(lab, "die", 70)
    assert runs(lab) == [(10, 70)]


def test_what_is_paused_does_not_count(lab: Lab) -> None:
    for action, seconds in (("start", 0), ("pause", 10), ("unpause", 50), ("die", 60)):
        event(lab, action, seconds)
    assert runs(lab) == [(0, 10), (50, 60)]
    lab.refresh_from_db()
    assert lab.state == LabState.STOPPED


def test_an_event_told_twice_counts_once(lab: Lab) -> None:
    for action, seconds in (("start", 0), ("start", 0), ("die", 10), ("die", 10), ("destroy", 12)):
        event(lab, action, seconds)
    assert runs(lab) == [(0, 10)]


def test_events_in_the_wrong_order_count_no_time_that_was_not(lab: Lab) -> None:
    event(lab, "start", 0)
    event(lab, "start", 40)
    event(lab, "die", 30)
    assert runs(lab) == [(0, 30)]
    other = [(0, 30)]
    # A start that was overtaken by its end opens nothing.
    event(lab, "die", 100)
    event(lab, "start", 90)
    assert runs(lab) == other


@pytest.mark.parametrize(("host", "lab_id"), [("elsewhere", ""), ("local", "no-uuid"), ("local", str(uuid4()))])
def test_what_a_host_says_of_labs_that_are_not_its_own_counts_for_nobody(lab: Lab, host: str, lab_id: str) -> None:
    message = {"action": "start", "lab": lab_id or str(lab.pk), "tenant": lab.tenant, "observed_at_ns": ns(T0)}
    take_message(host_name=host, kind="event", message=message)
    assert not LabRun.objects.exists()


@pytest.mark.parametrize("other", ["demo/bob", "demo", "", "None"])
def test_another_tenants_container_that_claims_a_lab_neither_begins_nor_ends_its_hours(lab: Lab, other: str) -> None:
    event(lab, "start", 0, tenant=other or " ")
    survey(10, lab, tenant=other or " ")
    assert runs(lab) == []
    event(lab, "start", 20)
    for action in ("die", "destroy", "pause"):
        event(lab, action, 30, tenant=other or " ")
    assert runs(lab) == [(20, None)]
    survey(50, lab)
    survey(500, lab, tenant=other or " ")
    assert runs(lab) == [(20, 50)]


def test_a_survey_finds_a_lab_whose_start_was_missed(lab: Lab) -> None:
    survey(10, lab)
    survey(70, lab)
    assert runs(lab) == [(10, None)]


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_survey_ends_a_run_when_it_was_last_seen(lab: Lab, is_paused: bool) -> None:
    event(lab, "start", 0)
    survey(60, lab)
    survey(500, paused=(lab,)) if is_paused else survey(500)
    assert runs(lab) == [(0, 60)]


def test_a_survey_from_before_an_event_changes_nothing(lab: Lab) -> None:
    event(lab, "start", 100)
    survey(50)
    assert runs(lab) == [(100, None)]
    event(lab, "die", 200)
    survey(150, lab)
    assert runs(lab) == [(100, 200)]


def test_a_paused_lab_is_not_taken_for_a_stopped_one(lab: Lab) -> None:
    survey(100, paused=(lab,))
    lab.refresh_from_db()
    assert lab.state == LabState.RUNNING


def test_the_run_of_a_removed_lab_ends_and_stays(lab: Lab, cast: Cast) -> None:
    event(lab, "start", 0)
    survey(60, lab)
    lab_id = lab.pk
    lab.delete()
    survey(120)
    assert LabRun.objects.get(lab_id=lab_id).ended_at is not None
    assert hours_this_week(cast.team, cast.ada) == pytest.approx(60 / 3600)


def ran(cast: Cast, hours: float, **values: Any) -> LabRun:
    """A run of so many hours from the beginning of this week on."""
    begin = this_week().begin
    end = begin + timedelta(hours=hours)
    wanted = {"team": cast.team, "user": cast.ada, "lab_id": uuid4(), "host": cast.host, **values}
    return LabRun.objects.create(**{"begun_at": begin, "seen_at": end, "ended_at": end, **wanted})


@pytest.fixture
def late_in_the_week(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """It is Sunday noon of this week."""
    moment = this_week().begin + timedelta(days=6, hours=12)
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
    return moment


def set_hours(team: Team, *, member: float | None = None, whole: float | None = None) -> None:
    team.member_quota_values = {} if member is None else {"hours": member}
    team.quota_values = {} if whole is None else {"hours": whole}
    team.save()


def titles(cast: Cast) -> list[str]:
    return [row.title for row in bell_of(cast.ada).rows]


@pytest.mark.usefixtures("late_in_the_week")
def test_hours_are_counted_for_member_and_team_in_this_week_only(cast: Cast) -> None:
    ran(cast, 3)
    ran(cast, 2, user=cast.alan)
    ran(cast, 5, team=cast.other_team)
    last_week = this_week().begin - timedelta(days=3)
    ran(cast, 1, begun_at=last_week, ended_at=last_week + timedelta(hours=9))
    assert [hours_this_week(cast.team, user) for user in (cast.ada, cast.alan, None)] == [3, 2, 5]


def test_a_host_that_fell_silent_lets_no_hours_run_on(cast: Cast, late_in_the_week: datetime) -> None:
    begun = late_in_the_week - timedelta(hours=10)
    run = ran(cast, 0, begun_at=begun, seen_at=begun + timedelta(hours=2), ended_at=None)
    assert hours_this_week(cast.team, cast.ada) == 2
    LabRun.objects.filter(pk=run.pk).update(seen_at=late_in_the_week - timedelta(seconds=50))
    assert hours_this_week(cast.team, cast.ada) == 10


@pytest.mark.usefixtures("late_in_the_week")
@pytest.mark.parametrize("quota", [{"member": 3}, {"whole": 3}])
def test_who_has_no_hours_left_starts_nothing(cast: Cast, lab: Lab, quota: dict[str, float]) -> None:
    ran(cast, 3)
    Lab.objects.update(state=LabState.STOPPED)
    lab.refresh_from_db()
    start_lab(actor=cast.ada, lab=lab)
    Lab.objects.update(state=LabState.STOPPED)
    set_hours(cast.team, **quota)
    stopped = Lab.objects.select_related("team", "owner").get()
    with pytest.raises(OverQuota, match="hours"):
        start_lab(actor=cast.ada, lab=stopped)
    with pytest.raises(OverQuota, match="hours"):
        cast.launch()


@pytest.mark.usefixtures("late_in_the_week")
def test_most_of_the_hours_is_told_once_a_week(cast: Cast, lab: Lab) -> None:
    set_hours(cast.team, member=10)
    ran(cast, 7.9)
    watch_hours()
    assert not titles(cast)
    ran(cast, 0.2)
    watch_hours()
    watch_hours()
    assert titles(cast) == ["Most of your lab hours of this week are used: 8.1 h of 10 h"]
    lab.refresh_from_db()
    assert lab.state == LabState.RUNNING


@pytest.mark.usefixtures("late_in_the_week")
@pytest.mark.parametrize(("quota", "stops_alan"), [({"member": 10}, False), ({"whole": 10}, True)])
def test_labs_are_stopped_when_no_hours_are_left(cast: Cast, lab: Lab, quota: dict[str, float], stops_alan: bool) -> None:
    other = cast.launch(cast.alan)
    Lab.objects.update(state=LabState.RUNNING)
    Job.objects.update(state="completed")
    set_hours(cast.team, **quota)
    ran(cast, 10)
    watch_hours()
    watch_hours()
    states = dict(Lab.objects.values_list("pk", "state"))
    assert states[lab.pk] == LabState.STOPPING
    assert (states[other.pk] == LabState.STOPPING) == stops_alan
    job = Job.objects.get(action="lab.stop", object_key=lab.object_key)
    assert job.requested_by is None
    assert titles(cast) == ["Your lab was stopped: no lab hours left"]
    notice = Notice.objects.get(user=cast.ada)
    assert notice.url == f"{reverse('requests:new')}?team=demo&resource=hours"
    assert cast.client(cast.ada).get(notice.url).status_code == 200


@pytest.mark.usefixtures("late_in_the_week")
def test_without_a_limit_labs_run_as_long_as_they_like(cast: Cast, lab: Lab) -> None:
    ran(cast, 150)
    watch_hours()
    lab.refresh_from_db()
    assert (lab.state, titles(cast)) == (LabState.RUNNING, [])


def test_old_runs_are_forgotten(cast: Cast) -> None:
    old = timezone.now() - timedelta(days=500)
    ran(cast, 1, begun_at=old, ended_at=old + timedelta(hours=1))
    kept = ran(cast, 0)
    prune_usage()
    assert list(LabRun.objects.all()) == [kept]
