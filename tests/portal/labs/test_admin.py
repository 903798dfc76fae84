"""What administrators do in Django's admin."""

from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from portal.jobs.models import Job
from portal.labs.models import LabTemplate, TemplateState
from portal.teams.models import Membership, Team
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db

TEMPLATE = {
    "slug": "mini",
    "name": "Mini",
    "image": "x:1",
    "command": "[]",
    "shell": "[]",
    "cpus": "1",
    "pids": "50",
    "position": "5",
}


def post(cast: Cast, page: str, form: dict[str, Any], *arguments: object) -> None:
    response = cast.client(cast.admin).post(reverse(page, args=arguments), form)
    assert response.status_code == 302, response.context["errors"]


@pytest.mark.parametrize("model", [model for model in admin.site._registry if model.__module__.startswith("portal.")])
def test_every_list_opens(cast: Cast, model: type[Any]) -> None:
    cast.launch()
    page = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    assert cast.client(cast.admin).get(reverse(page)).status_code == 200


def test_a_team_with_a_member(cast: Cast) -> None:
    member = {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0"}
    member |= {"memberships-0-user": str(cast.oscar.pk), "memberships-0-role": "assistant"}
    post(cast, "admin:teams_team_add", {"slug": "phys", "name": "Physics", **member})
    team = Team.objects.get(slug="phys")
    assert (team.name, team.quota_values, team.member_quota_values) == ("Physics", {}, {})
    assert Membership.objects.get(team=team).role == "assistant"


def test_a_template_whose_image_is_there_is_ready(cast: Cast) -> None:
    post(cast, "admin:labs_labtemplate_add", {**TEMPLATE, "memory_bytes": "64 MiB", "teams": [cast.team.pk]})
    template = LabTemplate.objects.get(slug="mini")
    assert (template.state, template.memory_bytes, list(template.teams.all())) == ("ready", 2**26, [cast.team])
    assert not Job.objects.exists()


def test_a_template_with_a_maker_is_made_at_once_and_again(cast: Cast) -> None:
    form = {**TEMPLATE, "memory_bytes": "64 MiB", "source": "image.import_shell", "teams": [cast.team.pk]}
    post(cast, "admin:labs_labtemplate_add", form)
    template = LabTemplate.objects.get(slug="mini")
    assert (template.state, Job.objects.get().object_key) == ("building", "template:mini")
    LabTemplate.objects.update(state=TemplateState.READY)
    post(cast, "admin:labs_labtemplate_changelist", {"action": "prepare_again", "_selected_action": [template.pk]})
    assert Job.objects.count() == 2


def test_students_do_not_get_in(cast: Cast) -> None:
    assert cast.client(cast.ada).get(reverse("admin:index")).status_code in (302, 403)


def test_the_list_of_teams_counts_all_members(cast: Cast) -> None:
    cast.launch()
    page = cast.client(cast.grace).get(reverse("teams:list")).content.decode()
    assert "3 members" in page
    assert "1 running" in page
