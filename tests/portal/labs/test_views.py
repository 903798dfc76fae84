"""Who sees which page and may press which button."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from portal.jobs.models import Job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.teams.models import Membership, Role
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db

# owner, teacher of the team, administrator, fellow student, teacher of another team
ALLOWED = {"ada": True, "grace": True, "admin": True, "alan": False, "oscar": False}
HTMX = {"HX-Request": "true"}


def set_state(lab: Lab, state: LabState) -> None:
    Lab.objects.filter(pk=lab.pk).update(state=state)


@pytest.mark.parametrize(("name", "is_allowed"), ALLOWED.items())
def test_a_lab_is_seen_by_its_owner_teachers_and_administrators(cast: Cast, name: str, is_allowed: bool) -> None:
    lab = cast.launch()
    response = cast.client(getattr(cast, name)).get(reverse("labs:detail", args=[lab.uuid]))
    assert response.status_code == (200 if is_allowed else 404)


@pytest.mark.parametrize(("name", "is_allowed"), ALLOWED.items())
@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("start", LabState.STOPPED, LabState.PENDING),
        ("stop", LabState.RUNNING, LabState.STOPPING),
        ("remove", LabState.RUNNING, LabState.REMOVING),
    ],
)
def test_a_lab_obeys_those_who_see_it(
    cast: Cast, name: str, is_allowed: bool, verb: str, before: LabState, after: LabState
) -> None:
    lab = cast.launch()
    set_state(lab, before)

    response = cast.client(getattr(cast, name)).post(reverse(f"labs:{verb}", args=[lab.uuid]))

    lab.refresh_from_db()
    assert (response.status_code, lab.state) == ((302, after) if is_allowed else (404, before))
    assert Job.objects.filter(action=f"lab.{verb}", object_key=lab.object_key).count() == is_allowed + (verb == "start")


@pytest.mark.parametrize("page", ["labs:list", "jobs:list", "teams:list"])
def test_pages_send_strangers_to_the_sign_in(client: Client, db: None, page: str) -> None:
    response = client.get(reverse(page))
    assert (response.status_code, response["Location"]) == (302, f"{reverse('account_login')}?next={reverse(page)}")


def test_my_labs_shows_own_labs_and_the_templates_of_own_teams(cast: Cast) -> None:
    own, fellow = cast.launch(), cast.launch(cast.alan)

    page = cast.client(cast.ada).get(reverse("labs:list"))

    assert [card.uuid for card in page.context["labs"]] == [str(own.uuid)]
    assert [offer.slug for offer in page.context["offers"]] == ["shell"]
    assert str(fellow.uuid) not in page.content.decode()
    assert not cast.client(cast.oscar).get(reverse("labs:list")).context["offers"]


def test_launching_leads_to_the_page_of_the_new_lab(cast: Cast) -> None:
    response = cast.client(cast.ada).post(reverse("labs:launch", args=["shell"]), {"team": "demo"})

    lab = Lab.objects.get()
    assert (lab.owner, lab.team, lab.state) == (cast.ada, cast.team, LabState.PENDING)
    assert response["Location"] == lab.get_absolute_url()


def test_launching_with_htmx_leads_there_without_a_full_reload(cast: Cast) -> None:
    response = cast.client(cast.ada).post(reverse("labs:launch", args=["shell"]), {"team": "demo"}, headers=HTMX)
    assert json.loads(response["HX-Location"])["path"] == Lab.objects.get().get_absolute_url()


@pytest.mark.parametrize(
    ("name", "slug", "team"),
    [("oscar", "shell", "other"), ("oscar", "shell", "demo"), ("ada", "shell", "other"), ("ada", "none", "demo")],
)
def test_nobody_launches_what_their_team_does_not_offer(cast: Cast, name: str, slug: str, team: str) -> None:
    response = cast.client(getattr(cast, name)).post(reverse("labs:launch", args=[slug]), {"team": team})
    assert response.status_code == 404
    assert not Lab.objects.exists()


def test_a_refusal_names_its_reason_and_swaps_nothing(cast: Cast) -> None:
    cast.launch()
    cast.team.member_quota_values = {"labs": 1}
    cast.team.save()

    response = cast.client(cast.ada).post(reverse("labs:launch", args=["shell"]), {"team": "demo"}, headers=HTMX)

    assert (response.status_code, response["HX-Reswap"]) == (422, "none")
    toast = json.loads(response["HX-Trigger"])["toast"]
    assert toast["level"] == "error"
    assert toast["text"] == "You have 1 of the 1 labs that you may have. Remove one that you no longer need."


def test_a_full_quota_is_said_before_one_presses(cast: Cast) -> None:
    type(cast.team).objects.update(member_quota_values={"labs": 1})
    assert b'data-action="launch"' in cast.client(cast.ada).get(reverse("labs:list")).content
    cast.launch()
    page = cast.client(cast.ada).get(reverse("labs:list")).content.decode()
    assert "You have 1 of the 1 labs that you may have." in page
    assert 'data-action="launch"' not in page


def test_a_template_larger_than_the_whole_quota_says_so_before_one_presses(cast: Cast) -> None:
    type(cast.team).objects.update(member_quota_values={"memory": 100 * 2**20})
    page = cast.client(cast.ada).get(reverse("labs:list")).content.decode()
    assert "Memory: this lab needs 128\u00a0MiB, your whole quota is 100\u00a0MiB." in page
    assert 'data-action="launch"' not in page


def test_what_can_be_started_stands_before_what_is_being_prepared(cast: Cast) -> None:
    later = LabTemplate.objects.create(slug="later", name="A", state=TemplateState.BUILDING, position=1)
    later.teams.add(cast.team)
    page = cast.client(cast.ada).get(reverse("labs:list")).content
    assert page.index(b"offer-shell") < page.index(b"offer-later")


def test_labs_of_one_template_are_numbered(cast: Cast) -> None:
    assert [cast.launch().name for _ in range(3)] == ["Shell", "Shell 2", "Shell 3"]
    Lab.objects.filter(name="Shell 2").delete()
    assert cast.launch().name == "Shell 2"


def test_the_page_of_jobs_leads_to_labs_that_are_there(cast: Cast) -> None:
    lab = cast.launch()
    address = reverse("labs:detail", args=[lab.uuid]).encode()
    client = cast.client(cast.grace)
    assert address in client.get(reverse("jobs:list")).content
    Job.objects.create(action="lab.remove", object_key=lab.object_key, host=cast.host, state="completed")
    assert address not in client.get(reverse("jobs:list")).content


def test_a_button_that_came_too_late_is_refused_in_words(cast: Cast) -> None:
    lab = cast.launch()
    response = cast.client(cast.ada).post(reverse("labs:stop", args=[lab.uuid]), follow=True)
    assert "Shell is “Waiting”" in response.content.decode()


def test_a_template_that_is_being_prepared_is_not_launched(cast: Cast) -> None:
    cast.template.state = TemplateState.BUILDING
    cast.template.save()
    response = cast.client(cast.ada).post(reverse("labs:launch", args=["shell"]), {"team": "demo"}, headers=HTMX)
    assert response.status_code == 422
    assert "still being prepared" in response.content.decode()


@pytest.mark.parametrize(("name", "status"), [("ada", 404), ("oscar", 404), ("grace", 302), ("admin", 302)])
def test_only_staff_has_an_image_made_again(cast: Cast, name: str, status: int) -> None:
    cast.template.state = TemplateState.FAILED
    cast.template.save()
    response = cast.client(getattr(cast, name)).post(reverse("labs:build", args=["shell"]))
    assert response.status_code == status
    assert Job.objects.filter(action="image.import_shell").exists() == (status == 302)


@pytest.mark.parametrize(("name", "is_allowed"), {**ALLOWED, "alan": False}.items())
def test_jobs_are_seen_by_who_asked_staff_and_administrators(cast: Cast, name: str, is_allowed: bool) -> None:
    cast.launch()
    page = cast.client(getattr(cast, name)).get(reverse("jobs:list"))
    assert [row.label for row in page.context["jobs"]] == (["Start"] if is_allowed else [])


@pytest.mark.parametrize(("name", "status"), [("ada", 200), ("grace", 200), ("admin", 200), ("oscar", 404)])
def test_a_team_is_seen_by_its_members_and_administrators(cast: Cast, name: str, status: int) -> None:
    assert cast.client(getattr(cast, name)).get(reverse("teams:detail", args=["demo"])).status_code == status


@pytest.mark.parametrize(("name", "sees_labs"), [("ada", False), ("grace", True), ("admin", True)])
def test_only_staff_sees_the_members_and_their_labs(cast: Cast, name: str, sees_labs: bool) -> None:
    lab = cast.launch(cast.alan)
    page = cast.client(getattr(cast, name)).get(reverse("teams:detail", args=["demo"]))
    assert (str(lab.uuid) in page.content.decode()) == sees_labs
    assert bool(page.context["members"]) == sees_labs


def test_an_owner_who_left_the_team_does_not_see_the_lab_any_more(cast: Cast) -> None:
    lab = cast.launch()
    Membership.objects.filter(user=cast.ada).delete()
    assert cast.client(cast.ada).get(reverse("labs:detail", args=[lab.uuid])).status_code == 404


def test_a_teacher_who_became_a_student_does_not_see_the_labs_of_others_any_more(cast: Cast) -> None:
    lab = cast.launch()
    Membership.objects.filter(user=cast.grace).update(role=Role.STUDENT)
    assert cast.client(cast.grace).get(reverse("labs:detail", args=[lab.uuid])).status_code == 404


def test_buttons_do_not_follow_links(cast: Cast) -> None:
    lab = cast.launch()
    assert cast.client(cast.ada).get(reverse("labs:remove", args=[lab.uuid])).status_code == 405


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_speaks_the_language_that_was_asked_for(cast: Cast, language: str) -> None:
    cast.launch()
    for page in ("labs:list", "jobs:list", "teams:list"):
        response = cast.client(cast.grace).get(reverse(page), HTTP_ACCEPT_LANGUAGE=language)
        assert f'<html lang="{language}"' in response.content.decode()


def test_pages_carry_a_policy_against_foreign_scripts(cast: Cast) -> None:
    response = cast.client(cast.ada).get(reverse("labs:list"))
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "script-src" not in response["Content-Security-Policy"]
