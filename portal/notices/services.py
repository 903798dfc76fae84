"""Writes notices: tell people, note that they have read. E-mail is another file's (``mails``)."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.common.live import send_changed, user_group
from portal.notices.mails import send_soon
from portal.notices.models import MailState, Notice, Reader

_KEEP_SEEN_DAYS = 60
_KEEP_UNSEEN_DAYS = 365


@transaction.atomic
def notify(users: Iterable[User], kind: str, parameters: Mapping[str, Any], url: str = "") -> None:
    """Tell each of ``users`` once: by the bell, and by e-mail where the site sends any and the person has an address.

    ``parameters`` are plain JSON values, put into words when somebody reads them; ``url`` is an address of this site.
    """
    readers = {user.pk: user for user in users if user.is_active}
    if not readers:
        return
    deaf = set(Reader.objects.filter(user__in=readers, wants_mail=False).values_list("user_id", flat=True))
    notices = [_notice(user, kind, parameters, url, is_deaf=user.pk in deaf) for user in readers.values()]
    Notice.objects.bulk_create(notices)
    send_changed([user_group(user_id) for user_id in readers], kind="notice", key="list")
    if any(notice.mail_state == MailState.WAITING for notice in notices):
        send_soon()


def _notice(user: User, kind: str, parameters: Mapping[str, Any], url: str, *, is_deaf: bool) -> Notice:
    has_mail = settings.SENDS_MAIL and bool(user.email) and not is_deaf
    now = timezone.now()
    return Notice(
        user=user,
        kind=kind,
        parameters=dict(parameters),
        url=url,
        created_at=now,
        mail_state=MailState.WAITING if has_mail else MailState.NONE,
        mail_due_at=now if has_mail else None,
    )


@transaction.atomic
def mark_seen(user: User) -> None:
    """Count all notices of the user as read, in all their windows."""
    if Notice.objects.filter(user=user, seen_at=None).update(seen_at=timezone.now()):
        send_changed([user_group(user.pk)], kind="notice", key="count")


def remember_language(user: User, language: str) -> None:
    Reader.objects.update_or_create(user=user, defaults={"language": language})


def set_wants_mail(user: User, *, wants_mail: bool) -> None:
    Reader.objects.update_or_create(user=user, defaults={"wants_mail": wants_mail})


def prune_notices() -> None:
    """Forget what was read long ago, and what nobody will read any more."""
    now = timezone.now()
    Notice.objects.filter(seen_at__lt=now - timedelta(days=_KEEP_SEEN_DAYS)).delete()
    Notice.objects.filter(created_at__lt=now - timedelta(days=_KEEP_UNSEEN_DAYS)).delete()
