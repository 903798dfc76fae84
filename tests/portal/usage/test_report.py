"""The usage report: what engines count becomes rows, who sees which, and the table to download."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.jobs.incoming import take_message
from portal.teams.models import Membership
from portal.usage.models import LabRun, LastReading, UsageHour
from portal.usage.report import guard, read_period
from portal.usage.services import prune_usage
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 2**30
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
DAY = {"period": "day", "day": "2026-11-18"}
# What each sees of team demo: names of rows, whether the team's own row is there.
SEES = {"ada": (["ada"], False), "grace": (["ada", "alan", "grace"], True), "admin": (["ada", "alan", "grace"], True)}


def view(name: str, **usage: float) -> dict[str, Any]:
    refusals, peak = usage.pop("refusals", 0), usage.pop("peak", 0)
    return {"name": name, "usage": usage, "peak": {"memory": peak}, "refusals": {"memory": refusals}}


def tell(minutes: float, *views: dict[str, Any], host: str = "local") -> None:
    at_ns = int((NOON + timedelta(minutes=minutes)).timestamp()) * 10**9
    take_message(host_name=host, kind="usage", message={"observed_at_ns": at_ns, "tenants": list(views), "capacity": {}})


def use(cast: Cast) -> None:
    """An hour in which ada used a processor for 1800 s, a GiB of memory and two of disk; the team as much and a little more."""
    for minute in range(61):
        at = minute * 30.0
        tell(
            minute,
            view(
                "demo/ada",
                cpu_seconds=100 + at,
                memory=GIB,
                disk=2 * GIB,
                peak=3 * GIB if minute > 5 else GIB,
                refusals=minute // 20,
            ),
            view("demo", cpu_seconds=1000 + at * 2, memory=2 * GIB, disk=2 * GIB),
            view("nobody/knows", cpu_seconds=at),
            view("demo/stranger", cpu_seconds=at),
        )


def page(cast: Cast, name: str, address: str = "usage:team", **query: str) -> Any:
    arguments = ["demo"] if "team" in address else []
    return cast.client(getattr(cast, name)).get(reverse(address, args=arguments), {**DAY, **query})


def test_what_engines_count_is_kept_by_the_hour(cast: Cast) -> None:
    use(cast)
    row = UsageHour.objects.get(tenant="demo/ada", hour=NOON)
    assert (row.user_id, row.team_id, row.refusals) == (cast.ada.pk, cast.team.pk, 3)
    assert row.cpu_seconds == pytest.approx(1800)
    assert row.memory_byte_seconds == pytest.approx(GIB * 3600)
    assert row.peak_memory_bytes == 3 * GIB
    assert set(UsageHour.objects.values_list("tenant", flat=True)) == {"demo", "demo/ada"}


def test_an_engine_that_began_anew_takes_nothing_back(cast: Cast) -> None:
    tell(0, view("demo/ada", cpu_seconds=100))
    tell(1, view("demo/ada", cpu_seconds=130))
    tell(2, view("demo/ada", cpu_seconds=5))
    assert UsageHour.objects.get(tenant="demo/ada").cpu_seconds == pytest.approx(35)


def test_a_reading_told_twice_or_late_counts_once(cast: Cast) -> None:
    tell(0, view("demo/ada", cpu_seconds=100))
    for minute in (1, 1, 0.5):
        tell(minute, view("demo/ada", cpu_seconds=130))
    assert UsageHour.objects.get(tenant="demo/ada").cpu_seconds == pytest.approx(30)


def test_readings_of_a_host_nobody_knows_are_left_out(cast: Cast) -> None:
    tell(0, view("demo/ada", memory=1), host="elsewhere")
    assert not LastReading.objects.exists()


@pytest.mark.parametrize(("name", "names"), SEES.items())
def test_members_see_themselves_and_staff_sees_all(cast: Cast, name: str, names: tuple[list[str], bool]) -> None:
    use(cast)
    response = page(cast, name)
    assert sorted(row.user for row in response.context["rows"]) == names[0]
    assert (response.context["total"] is not None) == names[1]
    assert len(response.context["columns"]) == 24


def test_a_member_who_used_nothing_sees_no_chart_of_others(cast: Cast) -> None:
    use(cast)
    response = page(cast, "alan")
    assert (len(response.context["rows"]), response.context["columns"]) == (1, [])
    assert "0.50" not in response.content.decode()


@pytest.mark.parametrize("address", ["usage:team", "usage:team_csv"])
def test_the_usage_of_a_team_is_nobody_elses_business(cast: Cast, address: str) -> None:
    assert page(cast, "oscar", address).status_code == 404


@pytest.mark.parametrize(("name", "status"), [("ada", 404), ("grace", 404), ("oscar", 404), ("admin", 200)])
@pytest.mark.parametrize("address", ["usage:all", "usage:all_csv"])
def test_all_teams_are_for_administrators(cast: Cast, name: str, status: int, address: str) -> None:
    assert page(cast, name, address).status_code == status


def test_the_numbers_are_those_of_the_period(cast: Cast) -> None:
    use(cast)
    LabRun.objects.create(
        lab_id="00000000-0000-4000-8000-000000000001",
        team=cast.team,
        user=cast.ada,
        host=cast.host,
        begun_at=NOON,
        seen_at=NOON + timedelta(hours=3),
        ended_at=NOON + timedelta(hours=3),
    )
    context = page(cast, "grace").context
    ada = next(row for row in context["rows"] if row.user == "ada")
    assert (ada.cpu_hours, ada.lab_hours, ada.refusals, ada.percent) == (pytest.approx(0.5), 3, 3, 100)
    assert (ada.memory_gib_days, ada.disk_gib_days) == (pytest.approx(1 / 24), pytest.approx(2 / 24))
    assert context["total"].cpu_hours == pytest.approx(1.0)
    assert page(cast, "grace", day="2026-11-17").context["total"].cpu_hours == 0
    for span in ("week", "month"):
        assert page(cast, "grace", period=span).context["total"].cpu_hours == pytest.approx(1.0)
    (first, *_others) = page(cast, "admin", "usage:all").context["rows"]
    assert (first.team, first.cpu_hours, first.lab_hours) == ("demo", pytest.approx(1.0), 3)


def test_who_left_the_team_is_still_in_its_report(cast: Cast) -> None:
    use(cast)
    Membership.objects.filter(user=cast.ada).delete()
    assert "ada" in [row.user for row in page(cast, "grace").context["rows"]]
    assert page(cast, "ada").status_code == 404


@pytest.mark.parametrize(("name", "users"), [("ada", ["ada"]), ("grace", ["", "ada", "alan", "grace"])])
def test_the_table_to_download_has_what_its_reader_may_see(cast: Cast, name: str, users: list[str]) -> None:
    use(cast)
    response = page(cast, name, "usage:team_csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="usage-demo-2026-11-18-day.csv"'
    rows = list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))
    assert sorted(row["user"] for row in rows) == users
    ada = next(row for row in rows if row["user"] == "ada")
    assert (ada["cpu_hours"], ada["peak_memory_bytes"], ada["from"], ada["to"]) == (
        "0.5000", str(3 * GIB), "2026-11-18", "2026-11-18",
    )  # fmt: skip


def test_the_table_is_written_as_the_standard_has_it(cast: Cast) -> None:
    cast.ada.first_name = 'Ada "the, first"\nLovelace'
    cast.ada.save()
    content = page(cast, "ada", "usage:team_csv").content.decode()
    assert content.endswith("\r\n")
    assert '"Ada ""the, first""\nLovelace"' in content


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_name_is_no_formula(cast: Cast, text: str) -> None:
    assert guard(text) == f"'{text}"
    assert guard("Ada = 1") == "Ada = 1"
    cast.ada.first_name = text
    cast.ada.save()
    rows = csv.DictReader(io.StringIO(page(cast, "ada", "usage:team_csv").content.decode(), newline=""))
    assert next(iter(rows))["name"].startswith("'")


@pytest.mark.parametrize(
    "query",
    [
        {"period": "century", "day": "2026-11-18"},
        {"period": "week", "day": "2026-13-45"},
        {"period": "week", "day": "0001-01-01"},
        {"period": "month", "day": "9999-12-31"},
        {"period": "day", "day": "<script>"},
        {"period": "", "day": ""},
    ],
)
def test_a_link_to_no_period_shows_one_that_is(cast: Cast, query: dict[str, str]) -> None:
    assert page(cast, "grace", **query).status_code == 200


def test_one_cannot_go_beyond_today() -> None:
    period = read_period("week", (timezone.localdate() + timedelta(days=40)).isoformat())
    assert period.first <= timezone.localdate()
    assert period.following is None
    assert read_period("week", "2020-01-01").following is not None


def test_old_hours_are_forgotten(cast: Cast) -> None:
    use(cast)
    UsageHour.objects.filter(tenant="demo").update(hour=timezone.now() - timedelta(days=500))
    prune_usage()
    assert set(UsageHour.objects.values_list("tenant", flat=True)) == {"demo/ada"}
