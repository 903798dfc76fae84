"""Reads notices: everybody their own."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import ngettext

from portal.accounts.models import User
from portal.notices.kinds import words_of
from portal.notices.models import Notice, Reader

_BELL_LENGTH = 6
_MOST_COUNTED = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    dom_id: str
    title: str
    body: str
    url: str
    created_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    """``count`` is empty where nothing is new; ``label`` says it in words."""

    count: str
    label: str
    rows: list[NoticeRow]


def own_notices(user: User) -> QuerySet[Notice]:
    return Notice.objects.filter(user=user)


def notice_row(notice: Notice) -> NoticeRow:
    words = words_of(notice.kind, notice.parameters)
    return NoticeRow(
        dom_id=f"notice-{notice.pk}",
        title=words.title,
        body=words.body,
        url=notice.url,
        created_at=notice.created_at,
        is_new=notice.seen_at is None,
    )


def bell_of(user: User) -> Bell:
    count = own_notices(user).filter(seen_at=None).count()
    return Bell(
        count="" if not count else f"{_MOST_COUNTED}+" if count > _MOST_COUNTED else str(count),
        label=ngettext("%(count)s new notice", "%(count)s new notices", count) % {"count": count},
        rows=[notice_row(notice) for notice in own_notices(user)[:_BELL_LENGTH]],
    )


def reader_of(user: User) -> Reader:
    """Return how the user wants notices; the default of those who never said, not written."""
    return Reader.objects.filter(user=user).first() or Reader(user=user)


def mail_language(user: User) -> str:
    """Return the language the user last read a page in, if the site still has it."""
    language = reader_of(user).language
    return language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
