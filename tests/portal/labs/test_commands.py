"""The commands that the launcher calls."""

import io
import json

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from portal.accounts.models import User
from portal.hosts.models import Host
from portal.jobs.models import Job
from portal.labs.models import LabTemplate, TemplateState
from portal.teams.models import Membership, Role, Team

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_the_demo_class_is_made_once_and_its_passwords_are_told_once() -> None:
    passwords = json.loads(run("seed_demo"))

    assert set(passwords) == {"teacher", "ada", "alan", "edsger"}
    assert authenticate(username="ada", password=passwords["ada"]) is not None
    assert Membership.objects.get(user__username="teacher").role == Role.TEACHER
    assert set(LabTemplate.objects.values_list("slug", "state")) == {
        ("shell", TemplateState.BUILDING),
        ("debian-12", TemplateState.BUILDING),
        ("docker", TemplateState.BUILDING),
    }
    pushed = Job.objects.filter(action="tenant.set_limits").values_list("object_name", flat=True)
    assert sorted(pushed) == ["demo", "demo/ada", "demo/alan", "demo/edsger", "demo/teacher"]
    built = Job.objects.exclude(action="tenant.set_limits")
    assert set(built.values_list("action", "tenant")) == {("image.import_shell", ""), ("image.bootstrap_debian", "")}

    assert json.loads(run("seed_demo")) == {}
    assert (Team.objects.count(), built.count(), pushed.count()) == (1, 3, 5)


def test_the_first_administrator_is_made_once() -> None:
    made = json.loads(run("ensure_administrator"))
    assert authenticate(username=made["username"], password=made["password"]) == User.objects.get(is_superuser=True)
    assert run("ensure_administrator") == ""


def test_a_host_is_made_once() -> None:
    run("ensure_host", "lab-1")
    run("ensure_host", "lab-1")
    assert Host.objects.get().queue == "host.lab-1"
