"""Who sees and changes which quota, and what the page answers to what people write."""

from typing import Any

import pytest
from django.urls import reverse

from portal.audit.models import AuditEntry
from portal.teams.models import Membership, QuotaPreset, Role, Team, TenantOnHost
from portal.teams.selectors import effective_quota
from portal.teams.services import set_member_default, set_quota, set_role
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db

MIB, GIB = 2**20, 2**30
HTMX = {"HX-Request": "true"}
# administrator, teacher, assistant, student, teacher of another team
PEOPLE = ("admin", "grace", "alan", "ada", "oscar")
ADDRESSES: dict[str, list[str]] = {
    "set_team": ["demo"],
    "set_default": ["demo"],
    "set_member": ["demo", "ada"],
    "bulk": ["demo"],
    "team": ["demo"],
    "default": ["demo"],
    "member": ["demo", "ada"],
}


@pytest.fixture
def people(cast: Cast) -> Cast:
    set_role(actor=None, team=cast.team, user=cast.alan, role=Role.ASSISTANT)
    return cast


def post(cast: Cast, name: str, page: str, form: dict[str, Any], **options: Any) -> Any:
    address = reverse(f"quotas:{page}", args=ADDRESSES[page])
    return cast.client(getattr(cast, name)).post(address, form, **options)


def fresh(team: Team) -> Team:
    return Team.objects.get(pk=team.pk)


def words(response: Any) -> str:
    return str(response.content.decode()).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("page", "allowed"),
    [
        ("set_team", {"admin"}),
        ("set_default", {"admin", "grace"}),
        ("set_member", {"admin", "grace"}),
        ("bulk", {"admin", "grace"}),
        ("team", {"admin"}),
        ("default", {"admin", "grace"}),
        ("member", {"admin", "grace"}),
    ],
)
@pytest.mark.parametrize("name", PEOPLE)
def test_a_quota_is_changed_by_administrators_and_a_members_share_by_teachers_too(
    people: Cast, page: str, allowed: set[str], name: str
) -> None:
    form = {"pids": "77", "what": "values", "resource": "pids", "amount": "77", "member": "ada"}
    response = post(people, name, page, form)
    assert response.status_code == (302 if name in allowed else 404)
    team = fresh(people.team)
    values = [team.quota_values, team.member_quota_values, Membership.objects.get(user=people.ada, team=team).quota_values]
    assert ({"pids": 77} in values) == (name in allowed)


@pytest.mark.parametrize(("name", "status"), [("admin", 200), ("grace", 200), ("alan", 200), ("ada", 404), ("oscar", 404)])
@pytest.mark.parametrize("page", ["team", "default", "member"])
def test_a_sheet_is_seen_by_the_teams_staff_and_administrators(people: Cast, name: str, status: int, page: str) -> None:
    response = people.client(getattr(people, name)).get(reverse(f"quotas:{page}", args=ADDRESSES[page]))
    assert response.status_code == status


@pytest.mark.parametrize(
    ("name", "tables"),
    [("admin", ["demo", "other"]), ("grace", ["demo"]), ("alan", ["demo"]), ("oscar", ["other"]), ("ada", None)],
)
def test_the_page_shows_the_teams_of_which_one_is_staff(people: Cast, name: str, tables: list[str] | None) -> None:
    response = people.client(getattr(people, name)).get(reverse("quotas:list"))
    assert response.status_code == (404 if tables is None else 200)
    if tables is not None:
        assert [table.slug for table in response.context["tables"]] == tables
    bar = people.client(getattr(people, name)).get(reverse("labs:list")).content.decode()
    assert (f'href="{reverse("quotas:list")}"' in bar) == (tables is not None)


def test_strangers_are_sent_to_the_sign_in(people: Cast, client: Any) -> None:
    for page, arguments in ADDRESSES.items():
        assert "/login/" in client.post(reverse(f"quotas:{page}", args=arguments))["Location"]


def test_only_who_may_change_has_fields(people: Cast) -> None:
    fields = {}
    for name in ("admin", "grace", "alan"):
        page = people.client(getattr(people, name)).get(reverse("quotas:list"))
        (table,) = [table for table in page.context["tables"] if table.slug == "demo"]
        fields[name] = [row.can_edit for row in table.rows]
    assert fields == {"admin": [True] * 5, "grace": [False] + [True] * 4, "alan": [False] * 5}


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_changes_are_posted(people: Cast, method: str) -> None:
    for page in ("set_team", "set_default", "set_member", "bulk"):
        client = people.client(people.admin)
        assert getattr(client, method)(reverse(f"quotas:{page}", args=ADDRESSES[page])).status_code == 405


def test_one_cell_changes_one_value_and_answers_with_its_row(cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"pids": 100, "labs": 3})
    response = post(cast, "admin", "set_team", {"memory": "2 GiB"}, headers=HTMX)
    assert response.status_code == 200
    assert fresh(cast.team).quota_values == {"memory": 2 * GIB, "pids": 100, "labs": 3}
    row = response.content.decode()
    assert 'id="quota:demo"' in row
    assert 'value="2 GiB"' in row
    assert 'data-state="pending"' in row


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("much", "“much” is no amount. Write one like 512 MiB or 2 GiB."),
        ("512", "“512” has no unit. Write it like 512 MiB or 2 GiB."),
        ("-1 GiB", "“-1 GiB” is no amount."),
        ("99999999 TiB", "is more than there can be"),
    ],
)
def test_what_is_no_amount_stays_in_its_field_with_what_is_wrong_beside_it(cast: Cast, text: str, sentence: str) -> None:
    response = post(cast, "admin", "set_team", {"memory": text}, headers=HTMX)
    assert response.status_code == 422
    assert sentence in words(response)
    assert f'value="{text}"' in response.content.decode()
    assert fresh(cast.team).quota_values == {}


def test_what_people_write_is_shown_as_text(cast: Cast) -> None:
    response = post(cast, "admin", "set_team", {"memory": '"><script>alert(1)</script>'}, headers=HTMX)
    assert b"<script>" not in response.content


def test_an_empty_field_of_a_member_is_the_default_and_no_limit_is_said_in_words(cast: Cast) -> None:
    set_member_default(actor=cast.admin, team=cast.team, values={"memory": GIB})
    for text, own, effective in (
        ("512 MiB", {"memory": 512 * MIB}, {"memory": 512 * MIB}),
        ("no limit", {"memory": None}, {}),
        ("", {}, {"memory": GIB}),
    ):
        assert post(cast, "admin", "set_member", {"memory": text}, headers=HTMX).status_code == 200
        assert Membership.objects.get(user=cast.ada).quota_values == own
        assert effective_quota(fresh(cast.team), cast.ada).set_limits() == effective


@pytest.mark.parametrize(("page", "form"), [("set_member", {}), ("set_default", {}), ("bulk", {"member": "ada"})])
def test_a_teacher_shares_out_what_the_team_has_and_no_more(cast: Cast, page: str, form: dict[str, str]) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"memory": GIB})
    form |= {"resource": "memory", "amount": "2 GiB", "memory": "2 GiB"}
    refused = post(cast, "grace", page, form, headers=HTMX)
    assert refused.status_code == 422
    assert "Memory: 2 GiB is more than the whole team has, which is 1 GiB." in words(refused)
    assert effective_quota(fresh(cast.team), cast.ada).set_limits() == {}

    form |= {"amount": "1 GiB", "memory": "1 GiB"}
    assert post(cast, "grace", page, form, headers=HTMX).status_code == 200
    assert effective_quota(fresh(cast.team), cast.ada).set_limits() == {"memory": GIB}


def test_less_than_an_engine_can_hold_is_refused_in_words(cast: Cast) -> None:
    response = post(cast, "admin", "set_team", {"disk": "1000 KiB"}, headers=HTMX)
    assert response.status_code == 422
    assert "Disk: 1000 KiB is too little, write at least 1 MiB or leave it empty for no limit." in words(response)


def test_a_value_for_many_members_is_set_for_all_that_are_ticked_or_none(cast: Cast) -> None:
    form = {"member": ["ada", "alan", "oscar"], "resource": "pids", "amount": "50"}
    assert post(cast, "grace", "bulk", form, headers=HTMX).status_code == 200
    own = dict(Membership.objects.filter(team=cast.team).values_list("user__username", "quota_values"))
    assert own == {"ada": {"pids": 50}, "alan": {"pids": 50}, "grace": {}}
    assert Membership.objects.get(user=cast.oscar).quota_values == {}

    nobody = post(cast, "grace", "bulk", {"resource": "pids", "amount": "5"}, headers=HTMX)
    assert (nobody.status_code, "Tick the members that it is for." in words(nobody)) == (422, True)
    wrong = post(cast, "grace", "bulk", {"member": "ada", "resource": "pids", "amount": "five"}, headers=HTMX)
    assert (wrong.status_code, 'value="five"' in words(wrong), "“five” is no amount" in words(wrong)) == (422, True, True)
    assert effective_quota(cast.team, cast.ada).set_limits() == {"pids": 50}


def test_a_preset_is_kept_by_administrators_and_applied_in_place_of_what_was(cast: Cast) -> None:
    values = {"what": "save_preset", "name": "small", "memory": "256 MiB", "pids": "50", "cpus": ""}
    assert post(cast, "grace", "default", values).status_code == 404
    assert post(cast, "admin", "default", values).status_code == 302
    preset = QuotaPreset.objects.get()
    assert (preset.name, preset.values) == ("small", {"memory": 256 * MIB, "pids": 50})

    set_quota(actor=cast.admin, team=cast.team, user=cast.ada, values={"cpus": 4, "pids": 9})
    assert post(cast, "grace", "member", {"what": "preset", "preset": preset.pk}).status_code == 302
    assert Membership.objects.get(user=cast.ada).quota_values == preset.values
    assert post(cast, "grace", "bulk", {"member": "alan", "preset": preset.pk}).status_code == 302
    assert Membership.objects.get(user=cast.alan).quota_values == preset.values


def test_rules_are_set_by_a_form_and_what_is_wrong_stands_beside_it(cast: Cast) -> None:
    form = {"what": "rules", "rule-images": "atelier/*\nregistry.example/class/*", "rule-pull": "no"}
    form |= {"rule-port_range": "20000 - 29999", "rule-outside_to": "10.1.2.3/8, 192.0.2.7/32:443"}
    assert post(cast, "admin", "team", form).status_code == 302
    assert fresh(cast.team).rules == {
        "images": ["atelier/*", "registry.example/class/*"],
        "pull": False,
        "port_range": "20000-29999",
        "outside_to": ["10.0.0.0/8", "192.0.2.7/32:443"],
    }
    wrong = post(cast, "admin", "team", {"what": "rules", "rule-port_range": "9-1", "rule-outside_to": "example.org"})
    assert wrong.status_code == 422
    assert "“9-1” is no range of ports." in words(wrong)
    assert "“example.org” is no destination." in words(wrong)
    assert fresh(cast.team).rules["port_range"] == "20000-29999"


def test_a_members_own_rule_takes_the_place_of_the_one_for_all(cast: Cast) -> None:
    set_member_default(actor=cast.admin, team=cast.team, rules={"pull": False, "build": False})
    post(cast, "grace", "member", {"what": "rules", "rule-pull": "yes"})
    wanted = TenantOnHost.objects.get(tenant="demo/ada").wanted["rules"]
    assert wanted == {"pull": True, "build": False}


def test_the_page_tells_what_is_used_what_is_over_and_what_a_host_does_not_hold(cast: Cast) -> None:
    set_quota(actor=cast.admin, team=cast.team, values={"memory": GIB, "disk": GIB})
    TenantOnHost.objects.update(
        acknowledged=1,
        refused={"disk": "limit disk cannot hold here"},
        report={"usage": {"memory": 2 * GIB, "pids": 3}, "over": ["memory"]},
    )
    page = cast.client(cast.admin).get(reverse("quotas:list"))
    row = page.context["tables"][0].rows[0]
    memory = next(cell for cell in row.cells if cell.resource == "memory")
    assert (memory.percent, memory.is_full, memory.is_over, memory.used.replace("\u00a0", " ")) == (100, True, True, "2 GiB")
    assert (row.status.state, row.status.details) == ("partial", ("local: limit disk cannot hold here",))
    assert "Held in part" in words(page)


def test_over_commit_is_shown_against_the_hosts_and_against_the_team(cast: Cast) -> None:
    type(cast.host).objects.update(cpus=2, memory_bytes=4 * GIB)
    set_quota(actor=cast.admin, team=cast.team, values={"memory": 6 * GIB})
    set_member_default(actor=cast.admin, team=cast.team, values={"memory": 4 * GIB})
    page = cast.client(cast.admin).get(reverse("quotas:list"))
    (hosts,) = [cell for cell in page.context["host_sums"] if cell.label == "memory"]
    assert (hosts.percent, hosts.is_over) == ("150 %", True)
    members = next(cell for cell in page.context["tables"][0].sums if cell.label == "memory")
    assert (members.total.replace("\u00a0", " "), members.percent, members.is_over) == ("12 GiB", "200 %", True)
    assert cast.client(cast.grace).get(reverse("quotas:list")).context["host_sums"] == []


def test_each_change_is_on_record_with_what_was_before_and_from_where(cast: Cast) -> None:
    set_quota(actor=None, team=cast.team, values={"memory": GIB, "pids": 5})
    post(cast, "admin", "set_team", {"memory": "2 GiB"}, headers={**HTMX, "X-Forwarded-For": "203.0.113.9"})
    entry = AuditEntry.objects.order_by("-pk")[0]
    assert (entry.actor_name, entry.action, entry.subject) == ("root", "quota.set", "team:demo")
    assert (entry.before, entry.after, entry.address) == ({"memory": GIB}, {"memory": 2 * GIB}, "127.0.0.1")
    post(cast, "admin", "set_team", {"memory": "2 GiB"}, headers=HTMX)
    assert AuditEntry.objects.filter(action="quota.set").count() == 2


def test_a_member_who_is_none_has_no_quota(cast: Cast) -> None:
    for page in ("member", "set_member"):
        address = reverse(f"quotas:{page}", args=["demo", "oscar"])
        assert cast.client(cast.admin).post(address, {"pids": "1"}).status_code == 404
