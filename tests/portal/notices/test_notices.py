"""Notices: who gets them, how they are read, and what leaves by e-mail."""

import json
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from portal.accounts.models import User
from portal.common.live import LIVE_PATH
from portal.notices.kinds import Words, register_kind
from portal.notices.mails import MAX_ATTEMPTS, make_mail, send_waiting_mails
from portal.notices.models import MailState, Notice, Reader
from portal.notices.selectors import bell_of
from portal.notices.services import mark_seen, notify, prune_notices
from tests.portal.conftest import Cast
from tests.portal.streams.sockets import open_socket, receive_type

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def kind() -> None:
    register_kind("test", lambda values: Words(gettext("Waiting") + f" {values['name']}", "the body"))


@pytest.fixture
def mailing(settings: Any) -> None:
    settings.SENDS_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    User.objects.exclude(username="alan").update(email="somebody@example.org")


def tell(*users: User, **values: str) -> None:
    notify([User.objects.get(pk=user.pk) for user in users], "test", {"name": "x", **values}, "/jobs/")


def make_due() -> None:
    Notice.objects.update(mail_due_at=timezone.now())


def test_a_notice_is_on_the_bell_of_those_it_is_for(cast: Cast) -> None:
    tell(cast.ada, cast.ada, cast.grace)
    assert [bell_of(user).count for user in (cast.ada, cast.grace, cast.alan)] == ["1", "1", ""]
    page = cast.client(cast.ada).get(reverse("labs:list")).content.decode()
    assert "1 new notice" in page
    assert "Waiting x" in page


def test_strangers_have_no_bell(client: Client) -> None:
    assert b'id="bell"' not in client.get(reverse("account_login")).content


def test_everybody_reads_their_own_notices_only(cast: Cast) -> None:
    tell(cast.ada, name="for ada")
    for user in (cast.alan, cast.grace, cast.oscar, cast.admin):
        assert not cast.client(user).get(reverse("notices:list")).context["notices"]
        cast.client(user).post(reverse("notices:seen"))
    assert Notice.objects.get().seen_at is None
    assert [row.title for row in cast.client(cast.ada).get(reverse("notices:list")).context["notices"]] == ["Waiting for ada"]


def test_opening_the_bell_counts_all_as_read(cast: Cast) -> None:
    tell(cast.ada)
    assert cast.client(cast.ada).get(reverse("notices:seen")).status_code == 405
    answer = cast.client(cast.ada).post(reverse("notices:seen"), headers={"HX-Request": "true"})
    assert (answer.status_code, bell_of(cast.ada).count) == (204, "")


def test_words_are_those_of_the_reader_not_of_who_told(cast: Cast) -> None:
    tell(cast.ada)
    french = cast.client(cast.ada).get(reverse("notices:list"), HTTP_ACCEPT_LANGUAGE="fr").context["notices"][0].title
    assert french == "En attente x"


def test_a_notice_whose_kind_is_gone_is_still_a_notice(cast: Cast) -> None:
    notify([cast.ada], "nobody.knows", {})
    notify([cast.ada], "test", {})
    titles = [row.title for row in cast.client(cast.ada).get(reverse("notices:list")).context["notices"]]
    assert titles == ["Notice", "Notice"]


def test_no_mail_unless_a_server_is_configured(cast: Cast, redis: Any) -> None:
    User.objects.update(email="somebody@example.org")
    tell(cast.ada)
    send_waiting_mails()
    assert Notice.objects.get().mail_state == MailState.NONE
    assert not mail.outbox
    assert not redis.llen("portal")


def test_mail_goes_to_those_who_have_an_address_and_want_it(cast: Cast, mailing: None, redis: Any) -> None:
    Reader.objects.create(user=cast.grace, wants_mail=False)
    tell(cast.ada, cast.alan, cast.grace)
    assert redis.llen("portal") == 1
    send_waiting_mails()
    send_waiting_mails()
    assert [(message.to, message.subject) for message in mail.outbox] == [(["somebody@example.org"], "Waiting x")]
    assert Notice.objects.get(user=cast.ada).mail_state == MailState.SENT


def test_mail_is_in_the_language_its_reader_last_read_a_page_in(cast: Cast, mailing: None) -> None:
    cast.client(cast.ada).get(reverse("labs:list"), HTTP_ACCEPT_LANGUAGE="fr")
    cast.client(cast.grace).get(reverse("labs:list"), HTTP_ACCEPT_LANGUAGE="en")
    tell(cast.ada, cast.grace)
    send_waiting_mails()
    assert sorted(message.subject for message in mail.outbox) == ["En attente x", "Waiting x"]


def test_a_mail_names_the_site_only_where_it_knows_its_own_name(cast: Cast, mailing: None, settings: Any) -> None:
    tell(cast.ada)
    notice = Notice.objects.get()
    assert "/jobs/" not in make_mail(notice).body
    settings.SITE_ORIGIN = "https://labs.example.org"
    assert "https://labs.example.org/jobs/" in make_mail(notice).body


def test_a_name_cannot_add_a_header_to_a_mail(cast: Cast, mailing: None) -> None:
    tell(cast.ada, name="x\r\nBcc: all@example.org")
    send_waiting_mails()
    assert mail.outbox[0].subject == "Waiting x Bcc: all@example.org"
    assert mail.outbox[0].recipients() == ["somebody@example.org"]


def test_a_server_that_is_away_is_asked_a_few_times_and_not_once_a_mail(
    cast: Cast, mailing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fail(_: object) -> None:
        tries.append(1)
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.open", fail)
    tell(cast.ada, cast.grace, cast.admin)
    for _ in range(MAX_ATTEMPTS + 2):
        send_waiting_mails()
        make_due()
    assert len(tries) == MAX_ATTEMPTS
    assert set(Notice.objects.values_list("mail_state", flat=True)) == {MailState.GIVEN_UP}


def test_one_refused_address_does_not_hold_up_the_others(cast: Cast, mailing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.mail.backends.locmem import EmailBackend

    send = EmailBackend.send_messages

    def refuse_first(self: EmailBackend, messages: Any) -> int:
        if messages[0].subject == "Waiting bad":
            raise SMTPServerDisconnected
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_first)
    tell(cast.ada, name="bad")
    tell(cast.grace, name="good")
    send_waiting_mails()
    assert [message.subject for message in mail.outbox] == ["Waiting good"]


def test_a_reader_turns_mail_off_for_themselves(cast: Cast, mailing: None) -> None:
    cast.ada.refresh_from_db()
    page = cast.client(cast.ada).get(reverse("notices:list"))
    assert page.context["has_mail"]
    cast.client(cast.ada).post(reverse("notices:mail"), {"wants_mail": "0"})
    tell(cast.ada, cast.grace)
    assert list(Notice.objects.order_by("user__username").values_list("mail_state", flat=True)) == ["none", "waiting"]


def test_what_was_read_long_ago_is_forgotten(cast: Cast) -> None:
    tell(cast.ada)
    mark_seen(cast.ada)
    tell(cast.ada)
    prune_notices()
    assert Notice.objects.count() == 2
    Notice.objects.exclude(seen_at=None).update(seen_at=timezone.now() - timedelta(days=61))
    prune_notices()
    assert Notice.objects.get().seen_at is None


async def test_the_bell_rings_on_an_open_page(cast: Cast) -> None:
    async with open_socket(LIVE_PATH, cast.ada) as socket, open_socket(LIVE_PATH, cast.alan) as other:
        await sync_to_async(tell)(cast.ada)
        messages = [await receive_type(socket, "replace") for _ in range(2)] + [await receive_type(socket, "append")]
        assert [message.get("id") or message["to"] for message in messages] == ["bell-count", "bell-list", "notices"]
        assert "1 new notice" in messages[0]["html"]
        await sync_to_async(mark_seen)(cast.ada)
        assert "bell-number" not in (await receive_type(socket, "replace"))["html"]
        assert await other.receive_nothing(timeout=0.3)


async def test_a_notice_between_the_page_and_its_socket_is_not_missed(cast: Cast) -> None:
    await sync_to_async(tell)(cast.ada)
    created_ms = int((await Notice.objects.aget()).created_at.timestamp() * 1000) - 1
    async with open_socket(f"{LIVE_PATH}?since={created_ms}", cast.ada) as socket:
        assert json.dumps(await receive_type(socket, "append")).count("Waiting x") == 1


def test_a_name_in_a_notice_is_text(cast: Cast) -> None:
    tell(cast.ada, name="<script>alert(1)</script>")
    for page in ("labs:list", "notices:list"):
        assert "<script>alert" not in cast.client(cast.ada).get(reverse(page)).content.decode()


def test_who_may_not_sign_in_is_told_nothing(cast: Cast) -> None:
    cast.ada.is_active = False
    cast.ada.save()
    tell(cast.ada)
    assert not Notice.objects.exists()
