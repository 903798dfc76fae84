"""Requests: who may ask, decide and see; what a grant does, and how it ends."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import sync_to_async
from django.core import mail
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.common.live import LIVE_PATH
from portal.common.refusals import Refusal
from portal.jobs.models import Job
from portal.notices.mails import send_waiting_mails
from portal.notices.models import Notice
from portal.notices.selectors import bell_of
from portal.requests.cards import waiting_for
from portal.requests.days import end_of_day
from portal.requests.models import Grant, QuotaRequest, RequestState
from portal.requests.refusals import AskedAlready, BeyondTeam, NoCeiling, NoMember, NotNow, NotOwn, TooMany
from portal.requests.selectors import active_grants
from portal.requests.services import approve, ask, decline, end_due_grants, end_grant, next_ends, withdraw
from portal.requests.tasks import end_grants_task
from portal.teams.models import Membership, Role
from portal.teams.selectors import effective_quota
from tests.portal.conftest import Cast
from tests.portal.streams.sockets import open_socket, receive_type

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 2**30
HTMX = {"HX-Request": "true"}
# who asked, another student, the teacher, a teacher of another team, an administrator
DECIDERS = {"ada": False, "alan": False, "grace": True, "oscar": False, "admin": True}
READERS = {"ada": True, "alan": False, "grace": True, "oscar": False, "admin": True}


@pytest.fixture(autouse=True)
def quotas(cast: Cast) -> None:
    cast.team.quota_values = {"memory": 4 * GIB, "labs": 10}
    cast.team.member_quota_values = {"memory": GIB, "labs": 2, "hours": 10}
    cast.team.save()


def tomorrow() -> date:
    return timezone.localdate() + timedelta(days=1)


def make(cast: Cast, amount: float = GIB, **values: Any) -> QuotaRequest:
    wanted = {"user": cast.ada, "team": cast.team, "resource": "memory", "until": tomorrow(), "why": "compiling"}
    return ask(**{**wanted, "amount": amount, **values})


def grant(cast: Cast, quota_request: QuotaRequest, actor: User | None = None, **values: Any) -> Grant:
    asked = {"amount": quota_request.amount, "until": quota_request.until}
    return approve(actor=actor or cast.grace, quota_request=quota_request, **{**asked, **values})


def memory_of(cast: Cast) -> float | None:
    return effective_quota(cast.team, cast.ada).limit("memory")


def titles(user: User) -> list[str]:
    return [row.title for row in bell_of(user).rows]


def decision(**values: str) -> dict[str, str]:
    return {"decision": "approve", "amount": "512 MiB", "until": tomorrow().isoformat(), "reply": "ok", **values}


def test_what_is_granted_is_added_to_the_quota_until_its_end(cast: Cast) -> None:
    made = grant(cast, make(cast))
    assert memory_of(cast) == 2 * GIB
    assert active_grants(cast.team, cast.ada, made.ends_at - timedelta(seconds=1)) == {"memory": GIB}
    assert active_grants(cast.team, cast.ada, made.ends_at) == {}
    assert effective_quota(cast.team, cast.alan).limit("memory") == GIB


def test_a_grant_is_pushed_to_the_hosts_at_once(cast: Cast) -> None:
    Job.objects.all().delete()
    grant(cast, make(cast))
    job = Job.objects.get(action="tenant.set_limits", object_name="demo/ada")
    assert repr(job.parameters["limits"]["memory"]) == repr(2 * GIB)


def test_a_teacher_may_grant_less_than_was_asked(cast: Cast) -> None:
    quota_request = make(cast)
    answer = cast.client(cast.grace).post(reverse("requests:decide", args=[quota_request.pk]), decision(), headers=HTMX)
    quota_request.refresh_from_db()
    assert (answer.status_code, quota_request.state, quota_request.reply) == (200, RequestState.APPROVED, "ok")
    assert (quota_request.amount, quota_request.decided_amount, memory_of(cast)) == (GIB, GIB / 2, GIB * 1.5)
    assert 'data-state="approved"' in answer.content.decode()


@pytest.mark.parametrize(("name", "is_allowed"), DECIDERS.items())
@pytest.mark.parametrize("verb", ["approve", "decline"])
def test_teachers_of_the_team_and_administrators_decide(cast: Cast, name: str, is_allowed: bool, verb: str) -> None:
    quota_request = make(cast)
    address = reverse("requests:decide", args=[quota_request.pk])
    answer = cast.client(getattr(cast, name)).post(address, decision(decision=verb))
    quota_request.refresh_from_db()
    after = {"approve": RequestState.APPROVED, "decline": RequestState.DECLINED}[verb]
    assert (answer.status_code, quota_request.state) == ((302, after) if is_allowed else (404, RequestState.OPEN))
    assert Grant.objects.exists() == (is_allowed and verb == "approve")


def test_an_assistant_sees_requests_and_does_not_decide(cast: Cast) -> None:
    Membership.objects.filter(user=cast.grace).update(role=Role.ASSISTANT)
    quota_request = make(cast)
    browser = cast.client(cast.grace)
    (card,) = browser.get(reverse("requests:list")).context["waiting"]
    assert not card.can_decide
    assert browser.post(reverse("requests:decide", args=[quota_request.pk]), decision()).status_code == 404


@pytest.mark.parametrize(("name", "is_allowed"), READERS.items())
def test_requests_are_read_by_who_asked_staff_and_administrators(cast: Cast, name: str, is_allowed: bool) -> None:
    make(cast)
    page = cast.client(getattr(cast, name)).get(reverse("requests:list"))
    assert len(page.context["waiting"]) == is_allowed
    assert ("compiling" in page.content.decode()) == is_allowed


@pytest.mark.parametrize(("name", "status"), [("ada", 302), ("alan", 404), ("grace", 404), ("oscar", 404), ("admin", 404)])
def test_only_who_asked_takes_it_back(cast: Cast, name: str, status: int) -> None:
    quota_request = make(cast)
    answer = cast.client(getattr(cast, name)).post(reverse("requests:withdraw", args=[quota_request.pk]))
    quota_request.refresh_from_db()
    assert (answer.status_code, quota_request.state == RequestState.WITHDRAWN) == (status, status == 302)


@pytest.mark.parametrize(("name", "is_allowed"), DECIDERS.items())
def test_who_may_decide_ends_a_grant_before_its_time(cast: Cast, name: str, is_allowed: bool) -> None:
    quota_request = make(cast)
    grant(cast, quota_request)
    answer = cast.client(getattr(cast, name)).post(reverse("requests:end", args=[quota_request.pk]))
    assert (answer.status_code, memory_of(cast)) == ((302, GIB) if is_allowed else (404, 2 * GIB))


@pytest.mark.parametrize("verb", ["decide", "withdraw", "end"])
def test_buttons_do_not_follow_links(cast: Cast, verb: str) -> None:
    assert cast.client(cast.admin).get(reverse(f"requests:{verb}", args=[make(cast).pk])).status_code == 405


def test_a_teacher_grants_no_more_than_the_team_has_and_an_administrator_may(cast: Cast) -> None:
    quota_request = make(cast, 3.5 * GIB)
    with pytest.raises(BeyondTeam):
        grant(cast, quota_request)
    assert (memory_of(cast), QuotaRequest.objects.get().state) == (GIB, RequestState.OPEN)
    grant(cast, quota_request, cast.admin)
    assert memory_of(cast) == 4.5 * GIB


def test_a_refused_decision_says_why_in_place(cast: Cast) -> None:
    quota_request = make(cast)
    address = reverse("requests:decide", args=[quota_request.pk])
    answer = cast.client(cast.grace).post(address, decision(amount="8 GiB"), headers=HTMX)
    assert (answer.status_code, answer["HX-Reswap"]) == (422, "none")
    assert "the whole team has 4\u00a0GiB" in answer.content.decode()
    assert cast.client(cast.grace).post(address, decision(amount="much"), headers=HTMX).status_code == 422
    assert cast.client(cast.grace).post(address, decision(until="2001-01-01"), headers=HTMX).status_code == 422
    assert not Grant.objects.exists()


def test_what_the_team_has_no_limit_of_a_teacher_grants_freely(cast: Cast) -> None:
    assert grant(cast, make(cast, 100, resource="hours")).amount == 100


def test_a_teacher_does_not_decide_on_an_own_request(cast: Cast) -> None:
    quota_request = make(cast, user=cast.grace)
    with pytest.raises(NotOwn):
        grant(cast, quota_request)
    assert cast.client(cast.grace).post(reverse("requests:decide", args=[quota_request.pk]), decision()).status_code == 404
    # With no other teacher there, the administrators are told.
    assert titles(cast.admin) == ["grace asks for more memory: 1\u00a0GiB"]


def test_nobody_is_granted_anything_after_leaving_the_team(cast: Cast) -> None:
    quota_request = make(cast)
    Membership.objects.filter(user=cast.ada).delete()
    with pytest.raises(NoMember):
        grant(cast, quota_request)
    assert cast.client(cast.ada).post(reverse("requests:withdraw", args=[quota_request.pk])).status_code == 404


def in_parallel(*calls: Any) -> list[object]:
    def run(call: Any) -> object:
        try:
            return call()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_of_two_approvals_at_once_one_grants(cast: Cast) -> None:
    made = make(cast)
    rows = [QuotaRequest.objects.select_related("team", "user").get(pk=made.pk) for _ in range(4)]
    actors = [cast.grace, cast.admin] * 2
    results = in_parallel(
        *(lambda row=row, actor=actor: grant(cast, row, actor) for row, actor in zip(rows, actors, strict=True))
    )
    assert Grant.objects.count() == 1
    assert sum(isinstance(result, NotNow) for result in results) == 3
    assert memory_of(cast) == 2 * GIB


def test_grants_add_up_against_the_teams_quota(cast: Cast) -> None:
    grant(cast, make(cast, 6, resource="labs"))
    second = make(cast, 6, resource="labs")
    with pytest.raises(BeyondTeam):
        grant(cast, second)
    grant(cast, second, amount=2)
    assert effective_quota(cast.team, cast.ada).limit("labs") == 10


def test_an_approval_and_a_withdrawal_at_once_do_not_both_count(cast: Cast) -> None:
    made = make(cast)
    rows = [QuotaRequest.objects.select_related("team", "user").get(pk=made.pk) for _ in range(2)]
    results = in_parallel(lambda: grant(cast, rows[0]), lambda: withdraw(actor=cast.ada, quota_request=rows[1]))
    assert sum(isinstance(result, NotNow) for result in results) == 1
    assert Grant.objects.exists() == (QuotaRequest.objects.get().state == RequestState.APPROVED)


def test_a_grant_that_ended_while_everything_was_off_ends_at_the_start(cast: Cast) -> None:
    made = grant(cast, make(cast))
    Notice.objects.all().delete()
    Grant.objects.update(begins_at=timezone.now() - timedelta(days=9), ends_at=timezone.now() - timedelta(days=2))
    assert memory_of(cast) == GIB
    end_due_grants()
    end_due_grants()
    made.refresh_from_db()
    assert (made.ended_at is None, QuotaRequest.objects.get().state) == (False, RequestState.ENDED)
    assert [len(titles(user)) for user in (cast.ada, cast.grace, cast.alan)] == [1, 1, 0]
    assert Job.objects.filter(object_name="demo/ada").latest("pk").parameters["limits"]["memory"] == GIB


def test_a_grant_that_still_holds_is_not_ended(cast: Cast) -> None:
    made = grant(cast, make(cast))
    end_due_grants()
    made.refresh_from_db()
    assert made.ended_at is None


def test_the_task_of_each_minute_is_back_at_the_moment_of_an_end(cast: Cast, redis: Any) -> None:
    grant(cast, make(cast))
    redis.delete("portal")
    end_grants_task(looks_ahead=True)
    assert redis.llen("portal") == 0
    Grant.objects.update(ends_at=timezone.now() + timedelta(seconds=30))
    assert len(next_ends(timedelta(seconds=60))) == 1
    end_grants_task(looks_ahead=True)
    assert redis.llen("portal") == 1
    assert b'"eta"' in redis.lindex("portal", 0)


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("UTC", date(2026, 11, 21), datetime(2026, 11, 22, 0, 0, tzinfo=UTC)),
        ("Europe/Paris", date(2026, 11, 21), datetime(2026, 11, 21, 23, 0, tzinfo=UTC)),
        ("Europe/Paris", date(2026, 3, 29), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),
        ("Europe/Paris", date(2026, 10, 25), datetime(2026, 10, 25, 23, 0, tzinfo=UTC)),
        ("America/Los_Angeles", date(2026, 12, 31), datetime(2027, 1, 1, 8, 0, tzinfo=UTC)),
        ("Pacific/Kiritimati", date(2026, 1, 1), datetime(2026, 1, 1, 10, 0, tzinfo=UTC)),
        ("America/Asuncion", date(2023, 9, 30), datetime(2023, 10, 1, 4, 0, tzinfo=UTC)),
    ],
)
def test_a_day_ends_where_the_next_begins_in_the_sites_time_zone(zone: str, day: date, end: datetime) -> None:
    assert end_of_day(day, ZoneInfo(zone)) == end


def test_everybody_concerned_is_told(cast: Cast) -> None:
    quota_request = make(cast)
    assert titles(cast.grace) == ["ada asks for more memory: 1\u00a0GiB"]
    assert not (titles(cast.ada) or titles(cast.admin) or titles(cast.oscar))
    made = grant(cast, quota_request, cast.admin, reply="good luck")
    assert titles(cast.ada) == ["Granted to ada: more memory, 1\u00a0GiB"]
    assert titles(cast.grace)[0] == "Granted to ada: more memory, 1\u00a0GiB"
    end_grant(actor=None, grant=made)
    ended = "What ada was granted has ended: more memory, 1\u00a0GiB"
    assert [titles(user)[0] for user in (cast.ada, cast.grace, cast.admin)] == [ended] * 3


def test_an_answer_comes_by_mail_too(cast: Cast, settings: Any) -> None:
    settings.SENDS_MAIL, settings.EMAIL_BACKEND = True, "django.core.mail.backends.locmem.EmailBackend"
    User.objects.filter(pk=cast.ada.pk).update(email="ada@example.org")
    decline(actor=cast.grace, quota_request=make(cast, user=User.objects.get(pk=cast.ada.pk)), reply="try less")
    send_waiting_mails()
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["ada@example.org"], "Not granted to ada: more memory, 1 GiB")
    assert "“try less”" in message.body


def test_what_is_beyond_a_teacher_is_told_to_administrators_too(cast: Cast) -> None:
    make(cast, 9 * GIB)
    assert titles(cast.admin) == titles(cast.grace) == ["ada asks for more memory: 9\u00a0GiB"]


def test_decisions_are_on_record_with_before_and_after(cast: Cast) -> None:
    end_grant(actor=None, grant=grant(cast, make(cast)))
    rows = AuditEntry.objects.filter(subject__startswith="request:").order_by("pk")
    assert list(rows.values_list("actor_name", "action")) == [
        ("ada", "request.ask"),
        ("grace", "request.approve"),
        ("", "grant.end"),
    ]
    approval = rows[1]
    assert (approval.before, approval.after["memory"]) == ({"memory": GIB}, 2 * GIB)
    assert (rows[2].before, rows[2].after) == ({"memory": 2 * GIB}, {"memory": GIB})


def test_one_asks_once_and_not_without_end(cast: Cast) -> None:
    made = make(cast)
    with pytest.raises(AskedAlready):
        make(cast)
    withdraw(actor=cast.ada, quota_request=made)
    with pytest.raises(TooMany):
        for _ in range(30):
            withdraw(actor=cast.ada, quota_request=make(cast))
    assert QuotaRequest.objects.count() == 20


def test_there_is_nothing_to_ask_for_where_there_is_no_limit(cast: Cast) -> None:
    with pytest.raises(NoCeiling):
        make(cast, resource="pids")


def ask_by_form(cast: Cast, user: User, **values: str) -> Any:
    fields = {"what": "demo:memory", "amount": "512 MiB", "until": tomorrow().isoformat(), "why": "", **values}
    return cast.client(user).post(reverse("requests:new"), fields)


def test_a_student_asks_on_a_form(cast: Cast) -> None:
    assert ask_by_form(cast, cast.ada)["Location"] == reverse("requests:list")
    made = QuotaRequest.objects.get()
    assert (made.user, made.team, made.resource, made.amount, made.until) == (
        cast.ada, cast.team, "memory", GIB / 2, tomorrow(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"amount": "much"},
        {"amount": "0"},
        {"amount": ""},
        {"amount": "-1 GiB"},
        {"amount": "512"},
        {"amount": "9999999 TiB"},
        {"until": "2001-01-01"},
        {"until": "9999-12-31"},
        {"until": ""},
        {"what": "demo:pids"},
        {"what": "other:memory"},
        {"what": ""},
        {"why": "x" * 501},
    ],
)
def test_a_form_that_says_nothing_sensible_makes_no_request(cast: Cast, values: dict[str, str]) -> None:
    answer = ask_by_form(cast, cast.ada, **values)
    assert (answer.status_code, QuotaRequest.objects.exists()) == (422, False)
    assert answer.context["form"].errors


@pytest.mark.parametrize("name", ["oscar", "admin"])
def test_who_is_no_member_cannot_ask(cast: Cast, name: str) -> None:
    assert ask_by_form(cast, getattr(cast, name)).status_code == 422
    assert not QuotaRequest.objects.exists()


@pytest.mark.parametrize(
    ("amount", "shown"), [("536870912", "512 MiB"), ("512 MiB", "512 MiB"), ("-3", ""), ("1e400", ""), ("nan", "")]
)
def test_a_link_fills_the_form_in(cast: Cast, amount: str, shown: str) -> None:
    query = {"team": "demo", "resource": "memory", "amount": amount}
    form = cast.client(cast.ada).get(reverse("requests:new"), query).context["form"]
    assert (form.initial["what"], form.initial["amount"]) == ("demo:memory", shown)
    assert [value for value, _label in form.offered[0][1]] == ["demo:memory", "demo:labs", "demo:hours"]


def test_the_number_of_waiting_requests_is_for_those_who_decide(cast: Cast) -> None:
    make(cast)
    counts = [waiting_for(user).count for user in (cast.grace, cast.admin, cast.ada, cast.alan, cast.oscar)]
    assert counts == ["1", "1", "", "", ""]


async def test_a_request_appears_on_the_teachers_open_page(cast: Cast) -> None:
    async with open_socket(LIVE_PATH, cast.grace) as socket, open_socket(LIVE_PATH, cast.alan) as other:
        made = await sync_to_async(make)(cast)
        message = await receive_type(socket, "append")
        while message["to"] != "requests":
            message = await receive_type(socket, "append")
        assert f'id="request-{made.pk}"' in message["html"]
        assert 'value="approve"' in message["html"]
        assert await other.receive_nothing(timeout=0.3)


async def test_an_answer_appears_on_the_students_open_page(cast: Cast) -> None:
    made = await sync_to_async(make)(cast)
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        await sync_to_async(grant)(cast, made)
        message = await receive_type(socket, "replace")
        while message["id"] != f"request-{made.pk}":
            message = await receive_type(socket, "replace")
    assert 'data-state="approved"' in message["html"]
    assert 'value="approve"' not in message["html"]


def test_what_people_write_is_shown_as_text(cast: Cast) -> None:
    made = make(cast, why="<script>alert(1)</script>")
    decline(actor=cast.grace, quota_request=made, reply="<img src=x onerror=alert(1)>")
    for user in (cast.ada, cast.grace, cast.admin):
        for page in ("requests:list", "notices:list"):
            text = cast.client(user).get(reverse(page)).content.decode()
            assert "<script>alert" not in text
            assert "<img src=x" not in text
