"""What is said beside the Start button of an offer before anybody presses it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from portal.accounts.models import User
from portal.labs.cards import offer_card
from portal.labs.models import LabTemplate
from portal.labs.shortages import Short
from portal.teams.models import Membership, Role, Team, TenantOnHost
from portal.teams.services import set_quota
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)

MEBIBYTE, GIBIBYTE = 2**20, 2**30
NEEDS_MEMORY = "This needs 128 MiB of memory; you have 100 MiB left of 1 GiB."


def limit(cast: Cast, who: User | None = None, /, **values: float) -> None:
    set_quota(actor=None, team=cast.team, user=who, values=values)


def report(cast: Cast, tenant: str, **usage: float) -> None:
    TenantOnHost.objects.update_or_create(tenant=tenant, host=cast.host, defaults={"report": {"usage": usage}})


def notes(user: User) -> list[Short]:
    return offer_card(LabTemplate.objects.get(), user).shortages


def shown(user: User) -> list[str]:
    return [strip_tags(note.text).replace("\u00a0", " ") for note in notes(user) if note.is_short]


@pytest.mark.parametrize(
    ("is_own", "limits", "usage", "words"),
    [
        (True, {"containers": 3}, {"containers": 3}, ["Containers: this needs 1; you have 0 left of 3."]),
        (False, {"running": 2}, {"running": 2}, ["Running containers: this needs 1; team Demo has 0 left of 2."]),
        (True, {"memory": GIBIBYTE}, {"memory": GIBIBYTE - 128 * MEBIBYTE}, []),
        (True, {"memory": GIBIBYTE}, {"memory": GIBIBYTE - 100 * MEBIBYTE}, [NEEDS_MEMORY]),
        (False, {"pids": 500}, {"pids": 600}, ["Processes: this needs 1; team Demo has 0 left of 500."]),
        (True, {"disk": 100 * MEBIBYTE}, {"disk": 99 * MEBIBYTE}, ["Disk: you have 1 MiB left of 100 MiB."]),
        (True, {"disk": 100 * MEBIBYTE}, {"disk": 90 * MEBIBYTE}, []),
        (True, {"containers": 3}, {}, []),
        (True, {}, {"containers": 99}, []),
        (True, {"volumes": 1}, {"volumes": 1}, []),
    ],
)  # fmt: skip
def test_what_is_short_is_said_as_a_refusal_would(
    cast: Cast, *, is_own: bool, limits: dict[str, float], usage: dict[str, float], words: list[str]
) -> None:
    limit(cast, cast.ada if is_own else None, **limits)
    report(cast, "demo/ada" if is_own else "demo", **usage)
    assert shown(cast.ada) == words


def test_the_button_still_works_as_the_engine_alone_decides(cast: Cast, client: Client) -> None:
    limit(cast, cast.ada, containers=1)
    report(cast, "demo/ada", containers=1)
    client.force_login(cast.ada)
    page = client.get(reverse("labs:list")).content.decode()
    offer = page[page.index('id="offers"') :]
    assert 'data-needs="1"' in offer
    assert " disabled " not in offer
    client.post(reverse("labs:launch", args=[cast.template.slug]), {"team": "demo"})
    assert cast.ada.labs.count() == 1


def test_the_amounts_can_be_followed_and_more_be_asked_for(cast: Cast) -> None:
    limit(cast, cast.ada, running=2)
    (note,) = notes(cast.ada)
    assert (note.tenant, note.resource, note.needs, note.is_short) == ("demo/ada", "running", 1, False)
    assert "<span data-left>2</span> left of <span data-limit>2</span>" in note.text
    assert [remedy.label for remedy in note.remedies] == ["Show what there is", "Ask for more"]
    assert "resource=running" in note.remedies[1].url


def test_a_teams_name_is_text_in_it(cast: Cast) -> None:
    Team.objects.filter(pk=cast.team.pk).update(name="<b>{0}%s")
    limit(cast, running=1)
    (note,) = notes(cast.ada)
    assert "team &lt;b&gt;{0}%s has" in note.text


def test_of_several_teams_the_one_that_is_chosen_is_spoken_of(cast: Cast) -> None:
    Membership.objects.create(user=cast.ada, team=cast.other_team, role=Role.STUDENT)
    cast.template.teams.add(cast.other_team)
    for team in (cast.team, cast.other_team):
        set_quota(actor=None, team=team, values={"running": 0})
    found: list[Any] = [(note.team, note.is_short) for note in notes(cast.ada)]
    assert found == [("demo", True), ("other", False)]
