"""What somebody who was refused is told, and which buttons they get."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils.translation import override

from portal.jobs.incoming import take_message
from portal.jobs.models import Job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab, LabTemplate
from portal.labs.remedies import Advice, advise_on_quota
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)

MEBIBYTE = 2**20
QUOTA: dict[str, Any] = {
    "resource": "memory",
    "limit": 4096 * MEBIBYTE,
    "used": 3896 * MEBIBYTE,
    "requested": 512 * MEBIBYTE,
    "tenant": "demo",
}


def advise(cast: Cast, reader: str = "ada", **changes: Any) -> Advice:
    advice = advise_on_quota({**QUOTA, **changes}, reader=getattr(cast, reader), team=cast.team, tenant="demo/ada")
    assert advice is not None
    return advice


def taker(container_id: str, name: str) -> dict[str, Any]:
    return {"id": container_id, "name": name, "lab": "", "used": 1}


def running(cast: Cast, container_id: str = "c1") -> Lab:
    lab = cast.launch()
    Lab.objects.filter(pk=lab.pk).update(state=LabState.RUNNING, container_id=container_id)
    lab.refresh_from_db()
    return lab


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_what_is_short_who_has_how_much_left_and_what_helps(cast: Cast) -> None:
    lab = running(cast)
    advice = advise(cast, takers=[taker("c1", "lab-shell-1"), taker("c2", "web")])
    assert plain(advice.text) == (
        "This needs 512 MiB of memory; team Demo has 200 MiB left of 4 GiB. "
        "Stop one of: Shell, web, choose a smaller size, or ask for more."
    )
    labels = [plain(remedy.label) for remedy in advice.remedies]
    assert labels == ["Stop Shell", "Stop web", "Start Shell (128 MiB)", "Ask for more"]
    assert advice.remedies[0].url == reverse("labs:stop", args=[lab.uuid])
    assert dict(advice.remedies[1].fields) == {"tenant": "demo/ada", "id": "c2", "name": "web"}


def test_the_words_follow_from_whose_quota_it_is(cast: Cast) -> None:
    assert "; you have 200 MiB left" in plain(advise(cast, tenant="demo/ada").text)
    assert "; ada has 200 MiB left" in plain(advise(cast, "grace", tenant="demo/ada").text)


@pytest.mark.parametrize(
    ("reader", "tenant", "words"),
    [
        ("ada", "demo/ada", "Memory: this needs 5 GiB, your whole quota is 4 GiB."),
        ("grace", "demo/ada", "Memory: this needs 5 GiB, the whole quota of ada is 4 GiB."),
        ("ada", "demo", "Memory: this needs 5 GiB, the whole quota of team Demo is 4 GiB."),
    ],
)
def test_nothing_is_to_be_stopped_for_what_is_larger_than_a_whole_quota(cast: Cast, reader: str, tenant: str, words: str) -> None:
    advice = advise(cast, reader, tenant=tenant, requested=5120 * MEBIBYTE, used=0, takers=[taker("c2", "web")])
    assert plain(advice.text).startswith(words)
    assert [remedy.label for remedy in advice.remedies if remedy.is_change and "web" in remedy.label] == []
    assert advice.remedies[-1].label == "Ask for more"


def test_counts_are_removed_from_and_have_no_smaller_size(cast: Cast) -> None:
    figures: dict[str, Any] = {"resource": "containers", "limit": 10, "used": 10, "requested": 1, "tenant": "demo/ada"}
    advice = advise(cast, takers=[taker("c2", "web")], **figures)
    assert advice.text == "Containers: this needs 1; you have 0 left of 10. Remove one of: web, or ask for more."
    assert [remedy.label for remedy in advice.remedies] == ["Remove web", "Ask for more"]
    assert advice.remedies[0].question == "Remove web?"


@pytest.mark.parametrize(
    ("reader", "tenant", "words"),
    [
        ("ada", "demo/ada", "Disk: you have 0 bytes left of 40 MiB."),
        ("grace", "demo/ada", "Disk: ada has 0 bytes left of 40 MiB."),
        ("ada", "demo", "Disk: team Demo has 0 bytes left of 40 MiB."),
    ],
)
def test_a_full_disk_is_said_to_be_full_whatever_was_to_be_written(cast: Cast, reader: str, tenant: str, words: str) -> None:
    figures = {"resource": "disk", "limit": 40 * MEBIBYTE, "used": 41 * MEBIBYTE, "requested": 0, "tenant": tenant}
    advice = advise(cast, reader, **figures)
    helps = "Remove files, containers, images or volumes that nobody needs, or ask for more."
    assert plain(advice.text) == f"{words} {helps}"
    assert [remedy.label for remedy in advice.remedies] == ["Show what there is", "Ask for more"]
    assert "amount=10" in advice.remedies[-1].url


def test_the_form_of_requests_comes_filled_in_with_what_would_have_been_enough(cast: Cast) -> None:
    link = advise(cast).remedies[-1]
    assert urlsplit(link.url).path == reverse("requests:new")
    query = {name: plain(values[0]) for name, values in parse_qs(urlsplit(link.url).query).items()}
    assert query == {"team": "demo", "resource": "memory", "amount": "312 MiB"}


def test_only_what_fits_and_is_smaller_is_offered(cast: Cast) -> None:
    for slug, mebibytes in (("large", 300), ("fits", 190)):
        template = LabTemplate.objects.create(slug=slug, name=slug, image="x", memory_bytes=mebibytes * MEBIBYTE)
        template.teams.add(cast.team)
    LabTemplate.objects.create(slug="foreign", name="foreign", image="x", memory_bytes=MEBIBYTE).teams.add(cast.other_team)
    labels = [plain(remedy.label) for remedy in advise(cast).remedies if remedy.fields]
    assert labels == ["Start fits (190 MiB)", "Start Shell (128 MiB)"]


def test_a_lab_that_stopped_meanwhile_is_not_offered_to_be_stopped(cast: Cast) -> None:
    lab = running(cast)
    Lab.objects.filter(pk=lab.pk).update(state=LabState.STOPPED)
    assert "Stop" not in advise(cast, takers=[taker("c1", "lab-shell-1")]).text


@pytest.mark.parametrize("broken", [{"resource": "gold"}, {"limit": "much"}, {"used": None}])
def test_figures_that_are_none_are_left_out(cast: Cast, broken: dict[str, Any]) -> None:
    assert advise_on_quota({**QUOTA, **broken}, reader=cast.ada, team=cast.team, tenant="demo/ada") is None


def test_amounts_are_written_in_the_readers_language(cast: Cast) -> None:
    with override("fr"):
        assert "1,5" in advise(cast, requested=1536 * MEBIBYTE).text


def test_a_refused_start_is_explained_on_the_labs_card_and_forgotten_with_the_next_start(cast: Cast) -> None:
    cast.launch()
    report = {"job_id": Job.objects.get().pk, "attempt": 1, "sequence": 1, "state": "failed", "error_kind": "quota"}
    result = {"quota": {**QUOTA, "takers": [taker("c2", "<b>web</b>")]}}
    take_message(host_name="local", kind="job", message={**report, "error_message": "memory quota", "result": result})

    page = cast.client(cast.ada).get(reverse("labs:list")).content.decode()
    assert "Stop &lt;b&gt;web&lt;/b&gt;" in page
    assert "<b>web" not in page
    assert "200\u00a0MiB left of 4\u00a0GiB" in page

    lab = Lab.objects.get()
    cast.client(cast.ada).post(reverse("labs:start", args=[lab.uuid]))
    lab.refresh_from_db()
    assert lab.shortage == {}


def test_a_launch_that_is_refused_at_once_comes_with_its_buttons(cast: Cast) -> None:
    lab = cast.launch()
    type(cast.team).objects.update(member_quota_values={"labs": 1})
    response = cast.client(cast.ada).post(
        reverse("labs:launch", args=["shell"]), {"team": "demo"}, headers={"HX-Request": "true"}
    )
    assert response.status_code == 422
    assert response["Content-Type"].startswith("text/html")
    html = response.content.decode()
    assert reverse("labs:remove", args=[lab.uuid]) in html
    assert reverse("requests:new") in html
    assert "<" not in json.loads(response["HX-Trigger"])["toast"]["text"]
