"""From where somebody asked, who reads the log, and that no change of a role goes unrecorded."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from portal.audit.models import AuditEntry
from portal.audit.origin import acting_address, address_of
from portal.audit.services import record
from portal.audit.words import ACTIONS, subject_words, value_words
from portal.teams.models import Membership, Role
from portal.teams.services import remove_member, set_role
from portal.usage.leftovers import STOP
from portal.workloads.kinds import KINDS
from tests.portal.conftest import Cast

ROOT = Path(__file__).parents[3]
PROXIES = [ip_network("10.0.0.0/8"), ip_network("::1")]


@pytest.mark.parametrize(
    ("label", "peer", "forwarded", "address"),
    [
        ("nobody between", "198.51.100.7", "", "198.51.100.7"),
        ("a browser that claims to be a proxy", "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("behind a proxy", "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("behind two proxies", "10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("a forged beginning", "10.0.0.1", "192.0.2.1, 203.0.113.9", "203.0.113.9"),
        ("a forged beginning that is no address", "10.0.0.1", "<script>, 203.0.113.9", "203.0.113.9"),
        ("a proxy that says nothing", "10.0.0.1", "", "10.0.0.1"),
        ("a proxy that says nonsense", "10.0.0.1", "unknown", "10.0.0.1"),
        ("the sixth version", "::1", "2001:db8::7", "2001:db8::7"),
        ("no peer", "", "203.0.113.9", None),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_an_address_is_believed_as_far_as_its_proxies_are_trusted(
    label: str, peer: str, forwarded: str, address: str | None
) -> None:
    assert address_of(peer, forwarded, PROXIES) == address


@pytest.mark.django_db
def test_the_address_is_that_of_the_request_and_of_nothing_after_it(cast: Cast, settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    form = {"pids": "5"}
    client = cast.client(cast.admin)
    client.post(reverse("quotas:set_team", args=["demo"]), form, headers={"X-Forwarded-For": "203.0.113.9"})
    assert AuditEntry.objects.get().address == "203.0.113.9"
    assert acting_address() is None
    record(actor=None, action="lab.stop", subject="lab:x")
    assert AuditEntry.objects.latest("pk").address is None


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "status"), [("admin", 200), ("grace", 404), ("ada", 404), ("oscar", 404)])
def test_the_log_is_read_by_administrators(cast: Cast, name: str, status: int) -> None:
    assert cast.client(getattr(cast, name)).get(reverse("audit:list")).status_code == status


@pytest.mark.django_db
def test_strangers_are_sent_to_the_sign_in(client: Any) -> None:
    assert "/login/" in client.get(reverse("audit:list"))["Location"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["quota.set", "membership.set", "lab.stop"]),
        ({"action": "lab.stop"}, ["lab.stop"]),
        ({"subject": "demo/ada"}, ["quota.set"]),
        ({"person": "ada"}, ["quota.set", "membership.set", "lab.stop"]),
        ({"person": "grace"}, ["membership.set"]),
        ({"person": "ada", "action": "quota.set"}, ["quota.set"]),
        ({"person": "a\0da"}, ["quota.set", "membership.set", "lab.stop"]),
        ({"person": "nobody"}, []),
        ({"page": "99"}, ["quota.set", "membership.set", "lab.stop"]),
    ],
)
def test_entries_are_found_by_action_subject_and_person(cast: Cast, query: dict[str, str], found: list[str]) -> None:
    record(actor=cast.ada, action="lab.stop", subject="lab:1")
    record(actor=cast.grace, action="membership.set", subject="team:demo", user="ada", after={"role": "student"})
    record(actor=cast.admin, action="quota.set", subject="tenant:demo/ada", before={}, after={"memory": 2**30})
    page = cast.client(cast.admin).get(reverse("audit:list"), query)
    assert [row.action for row in page.context["entries"]] == found


@pytest.mark.django_db
def test_an_entry_shows_what_was_and_what_is_as_text(cast: Cast) -> None:
    record(actor=cast.admin, action="quota.set", subject="team:demo", before={"memory": None}, after={"memory": 2**30})
    record(actor=cast.admin, action="rules.set", subject="team:demo", after={"images": ["<b>/*"]})
    page = cast.client(cast.admin).get(reverse("audit:list"))
    assert [row.changes for row in page.context["entries"]] == [
        [("images", "", "<b>/*")],
        [("memory", "no limit", "1\u00a0GiB")],
    ]
    assert b"<b>/*" not in page.content


def recorded_actions() -> set[str]:
    """Every action that the sources write as such; those of containers and their like are made of noun and verb."""
    sources = "".join(path.read_text() for path in (ROOT / "portal").rglob("*.py"))
    written = {
        name for pair in re.findall(r'action="([a-z]+\.[a-z]+)"|_record\([^"]*"([a-z]+\.[a-z]+)"', sources) for name in pair
    }
    made = {f"{kind.noun}.{verb}" for kind in KINDS.values() for verb in kind.verbs}
    return (written | made | {"quota.set", "rules.set", "user.set", "user.create", STOP}) - {""}


def test_every_action_has_words() -> None:
    written = recorded_actions()
    assert {"membership.set", "request.ask", "grant.end", "lab.launch", "volume.remove"} <= written
    assert sorted(written - ACTIONS.keys()) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("memory", 2**31, "2\u00a0GiB"),
        ("hours", 2.5, "2.5 h"),
        ("memory", None, "no limit"),
        ("pull", False, "not allowed"),
        ("publish", True, "allowed"),
        ("is_superuser", True, "yes"),
        ("role", "assistant", "Assistant"),
        ("role", "<b>", "<b>"),
        ("resource", "pids", "processes"),
        ("resource", "unknown", "unknown"),
        ("until", "2026-11-22", "Nov. 22, 2026"),
        ("until", "2026-99-99", "2026-99-99"),
        ("images", ["atelier/*", "debian"], "atelier/*, debian"),
        ("members", [], "none"),
        ("quota", {"pids": 5, "memory": None}, "memory: no limit, processes: 5"),
        ("other", 7, "7"),
        ("id", "sha256:" + "ab" * 32, "abababababab"),
        ("id", "my-volume", "my-volume"),
    ],
)
def test_values_are_written_as_people_write_them(name: str, value: object, words: str) -> None:
    assert value_words(name, value) == words


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("container:demo/ada:" + "0e" * 16, "container:demo/ada"),
        ("lab:a823b85e-ee75-44a6-a097-63d37fc6de32", "lab:a823b85e-ee75-44a6-a097-63d37fc6de32"),
        ("team:demo", "team:demo"),
    ],
)
def test_a_subject_is_shown_without_a_digest(subject: str, words: str) -> None:
    assert subject_words(subject) == words


@pytest.mark.django_db
def test_the_page_speaks_of_actions_in_words_and_still_filters_by_code(cast: Cast) -> None:
    record(actor=cast.admin, action="quota.set", subject="team:demo", before={"memory": 2**31}, after={"memory": 2**30})
    record(actor=cast.ada, action="request.ask", subject="request:1", after={"amount": 2**30}, resource="memory")
    record(actor=cast.ada, action="made.up", subject="x:1")
    page = cast.client(cast.admin).get(reverse("audit:list"))
    assert [(row.label, row.changes) for row in page.context["entries"]] == [
        ("made.up", []),
        ("More asked for", [("memory", "", "1\u00a0GiB")]),
        ("Quota changed", [("memory", "2\u00a0GiB", "1\u00a0GiB")]),
    ]
    assert page.context["actions"] == [("made.up", "made.up"), ("request.ask", "More asked for"), ("quota.set", "Quota changed")]
    assert b"<strong>Quota changed</strong>" in page.content
    assert b"quota.set</" not in page.content


@pytest.mark.django_db
def test_the_services_record_each_change_of_a_role(cast: Cast) -> None:
    set_role(actor=cast.admin, team=cast.team, user=cast.ada, role=Role.ASSISTANT)
    set_role(actor=cast.admin, team=cast.team, user=cast.ada, role=Role.ASSISTANT)
    remove_member(actor=cast.admin, team=cast.team, user=cast.ada)
    entries = AuditEntry.objects.order_by("pk").values_list("action", "before__role", "after__role", "detail__user")
    assert list(entries) == [
        ("membership.set", "student", "assistant", "ada"),
        ("membership.remove", "assistant", None, "ada"),
    ]


@pytest.mark.django_db
def test_the_administrators_pages_of_django_record_them_too(cast: Cast) -> None:
    client = cast.client(cast.admin)
    membership = Membership.objects.get(user=cast.ada)
    client.post(reverse("admin:teams_membership_change", args=[membership.pk]), {"role": "assistant"})
    client.post(reverse("admin:teams_membership_delete", args=[membership.pk]), {"post": "yes"})
    other = Membership.objects.get(user=cast.alan)
    chosen = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    client.post(reverse("admin:teams_membership_changelist"), chosen)
    inline = {"memberships-TOTAL_FORMS": "2", "memberships-INITIAL_FORMS": "1", "name": "Demo"}
    kept = Membership.objects.get(user=cast.grace)
    inline |= {
        "memberships-0-id": str(kept.pk),
        "memberships-0-team": str(cast.team.pk),
        "memberships-0-user": str(cast.grace.pk),
    }
    inline |= {"memberships-0-role": "student", "memberships-1-user": str(cast.oscar.pk), "memberships-1-role": "teacher"}
    assert client.post(reverse("admin:teams_team_change", args=[cast.team.pk]), inline).status_code == 302
    gone = {**inline, "memberships-TOTAL_FORMS": "1", "memberships-0-DELETE": "on"}
    assert client.post(reverse("admin:teams_team_change", args=[cast.team.pk]), gone).status_code == 302

    entries = AuditEntry.objects.order_by("pk").values_list(
        "actor_name", "action", "before__role", "after__role", "detail__user", "address"
    )
    expected = [
        ("membership.set", "student", "assistant", "ada"),
        ("membership.remove", "assistant", None, "ada"),
        ("membership.remove", "student", None, "alan"),
        ("membership.set", "teacher", "student", "grace"),
        ("membership.set", None, "teacher", "oscar"),
        ("membership.remove", "student", None, "grace"),
    ]
    assert list(entries) == [("root", *entry, "127.0.0.1") for entry in expected]


@pytest.mark.django_db
def test_who_becomes_or_ceases_to_be_an_administrator_is_on_record(cast: Cast) -> None:
    form = {"is_active": "on", "is_superuser": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    response = cast.client(cast.admin).post(reverse("admin:accounts_user_change", args=[cast.ada.pk]), form)
    assert response.status_code == 302, response.context["errors"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.before, entry.after) == (
        "user.set",
        "user:ada",
        {"is_superuser": False},
        {"is_superuser": True},
    )
