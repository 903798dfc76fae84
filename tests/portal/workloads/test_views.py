"""The page of workloads and its buttons: whose things may be looked at and acted on."""

from typing import Any

import pytest
from django.urls import reverse

from portal.audit.models import AuditEntry
from portal.hosts.models import Host
from portal.jobs.models import Job
from portal.teams.models import Membership, Role
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db

CONTAINER = "ab" * 32
IMAGE = f"sha256:{'cd' * 32}"
HTMX = {"HX-Request": "true"}


def act(cast: Cast, who: str, kind: str, verb: str, **form: str) -> Any:
    address = reverse("workloads:act", args=[kind, verb])
    return cast.client(getattr(cast, who)).post(address, form, headers=HTMX)


@pytest.mark.parametrize(
    ("name", "query", "tenant"),
    [
        ("ada", "", "demo/ada"),
        ("ada", "?team=demo", "demo/ada"),
        ("grace", "", "demo/grace"),
        ("grace", "?team=demo", "demo"),
        ("grace", "?team=demo&mine=1", "demo/grace"),
        ("admin", "", "demo"),
        ("admin", "?team=other", "other"),
    ],
)
def test_each_is_shown_their_own_and_staff_the_whole_team(cast: Cast, name: str, query: str, tenant: str) -> None:
    page = cast.client(getattr(cast, name)).get(reverse("workloads:list") + query)
    assert page.status_code == 200
    assert page.context["place"].tenant == tenant


@pytest.mark.parametrize(
    ("name", "query"), [("ada", "?team=other"), ("oscar", "?team=demo"), ("ada", "?team=none"), ("admin", "?team=demo&mine=1")]
)
def test_other_teams_do_not_exist(cast: Cast, name: str, query: str) -> None:
    assert cast.client(getattr(cast, name)).get(reverse("workloads:list") + query).status_code == 404


def test_who_is_in_no_team_is_told_so(cast: Cast) -> None:
    Membership.objects.filter(user=cast.ada).delete()
    page = cast.client(cast.ada).get(reverse("workloads:list")).content.decode()
    assert "You are in no team yet" in page
    assert "data-workloads" not in page


def test_a_choice_is_offered_where_there_is_one(cast: Cast) -> None:
    assert "pills" not in cast.client(cast.ada).get(reverse("workloads:list")).content.decode()
    labels = [choice.label for choice in cast.client(cast.grace).get(reverse("workloads:list")).context["choices"]]
    assert labels == ["Demo: mine", "Demo"]


@pytest.mark.parametrize(
    ("name", "tenant", "is_allowed"),
    [
        ("ada", "demo/ada", True),
        ("grace", "demo/ada", True),
        ("grace", "demo", True),
        ("admin", "demo/ada", True),
        ("alan", "demo/ada", False),
        ("ada", "demo", False),
        ("ada", "", False),
        ("ada", "demo/", False),
        ("oscar", "demo/ada", False),
        ("oscar", "other/../demo", False),
        ("grace", "other/oscar", False),
        ("admin", "", False),
    ],
)
def test_a_button_acts_as_a_tenant_that_one_may_act_for(cast: Cast, name: str, tenant: str, is_allowed: bool) -> None:
    response = act(cast, name, "containers", "stop", tenant=tenant, id=CONTAINER, name="web")
    assert response.status_code == (204 if is_allowed else 404)
    assert list(Job.objects.values_list("action", "tenant", "parameters", "object_name")) == (
        [("container.stop", tenant, {"id": CONTAINER}, "web")] if is_allowed else []
    )


@pytest.mark.parametrize(
    ("kind", "verb", "object_id"),
    [
        ("containers", "start", CONTAINER),
        ("containers", "remove", CONTAINER),
        ("images", "remove", IMAGE),
        ("volumes", "remove", "data"),
        ("networks", "remove", CONTAINER),
    ],
)
def test_each_verb_becomes_a_job_on_record(cast: Cast, kind: str, verb: str, object_id: str) -> None:
    assert act(cast, "ada", kind, verb, tenant="demo/ada", id=object_id, name="x").status_code == 204
    job = Job.objects.get()
    assert job.action == f"{kind.removesuffix('s')}.{verb}"
    assert len(job.object_key) <= 120
    assert AuditEntry.objects.filter(actor=cast.ada, action=job.action, subject=job.object_key).exists()


@pytest.mark.parametrize(
    ("kind", "verb", "object_id"),
    [
        ("containers", "kill", CONTAINER),
        ("images", "stop", IMAGE),
        ("nothing", "remove", CONTAINER),
        ("containers", "remove", "web"),
        ("containers", "remove", "../images"),
        ("images", "remove", "atelier/shell"),
        ("volumes", "remove", "a/b"),
        ("volumes", "remove", "a\n"),
        ("networks", "remove", ""),
    ],
)
def test_what_is_no_verb_or_no_id_does_not_exist(cast: Cast, kind: str, verb: str, object_id: str) -> None:
    assert act(cast, "ada", kind, verb, tenant="demo/ada", id=object_id).status_code == 404
    assert not Job.objects.exists()


def test_many_clicks_on_one_button_make_one_job(cast: Cast) -> None:
    for _ in range(3):
        act(cast, "ada", "containers", "stop", tenant="demo/ada", id=CONTAINER)
    act(cast, "ada", "containers", "remove", tenant="demo/ada", id=CONTAINER)
    assert sorted(Job.objects.values_list("action", flat=True)) == ["container.remove", "container.stop"]


def test_one_name_at_two_tenants_is_two_objects(cast: Cast) -> None:
    act(cast, "ada", "volumes", "remove", tenant="demo/ada", id="data")
    act(cast, "alan", "volumes", "remove", tenant="demo/alan", id="data")
    assert Job.objects.values("object_key").distinct().count() == 2


def test_without_a_host_the_reason_is_told(cast: Cast) -> None:
    Host.objects.update(is_enabled=False)
    response = act(cast, "ada", "volumes", "remove", tenant="demo/ada", id="data")
    assert response.status_code == 422
    assert "No host" in response.content.decode()


def test_an_assistant_sees_the_whole_team_until_they_are_one_no_more(cast: Cast) -> None:
    Membership.objects.filter(user=cast.alan).update(role=Role.ASSISTANT)
    assert act(cast, "alan", "containers", "stop", tenant="demo/ada", id=CONTAINER).status_code == 204
    Membership.objects.filter(user=cast.alan).update(role=Role.STUDENT)
    assert act(cast, "alan", "containers", "stop", tenant="demo/ada", id=CONTAINER).status_code == 404
