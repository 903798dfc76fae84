"""Sends notices by e-mail: waiting rows over one connection, so that a server that is away costs one time-out, not one a person.

Each is tried a few times, later each time, then given up; the bell has it anyway.
"""

import logging
from datetime import timedelta
from smtplib import SMTPException
from urllib.parse import urljoin

from celery import current_app
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from kombu.exceptions import OperationalError

from portal.notices.kinds import words_of
from portal.notices.models import MailState, Notice
from portal.notices.selectors import mail_language

MAX_ATTEMPTS = 5
_FIRST_PAUSE = timedelta(minutes=2)
_BATCH = 50

_log = logging.getLogger(__name__)


def send_soon() -> None:
    """Have the waiting mails sent once the transaction has committed."""
    transaction.on_commit(_ask_worker)


def _ask_worker() -> None:
    try:
        current_app.send_task("portal.send_mails", expires=60)
    except OperationalError as error:
        _log.warning("mails wait until the next minute: %s", error)


def send_waiting_mails() -> None:
    """Send what is due. A mail is claimed before it is sent: of two workers one sends it."""
    due = Notice.objects.filter(mail_state=MailState.WAITING, mail_due_at__lte=timezone.now()).select_related("user")
    claimed = [notice for notice in due.order_by("pk")[:_BATCH] if _claim(notice)]
    if not claimed:
        return
    connection: BaseEmailBackend = get_connection()
    try:
        connection.open()
        for notice in claimed:
            _send(notice, connection)
    except (OSError, SMTPException) as error:
        _log.warning("no e-mail could be sent: %s", error)
    finally:
        connection.close()
    Notice.objects.filter(mail_state=MailState.WAITING, mail_attempts__gte=MAX_ATTEMPTS).update(mail_state=MailState.GIVEN_UP)


def _claim(notice: Notice) -> bool:
    """Count the attempt and put off the next one, twice as long each time."""
    next_at = timezone.now() + _FIRST_PAUSE * 2**notice.mail_attempts
    claimed = Notice.objects.filter(pk=notice.pk, mail_state=MailState.WAITING, mail_attempts=notice.mail_attempts)
    return bool(claimed.update(mail_attempts=notice.mail_attempts + 1, mail_due_at=next_at))


def _send(notice: Notice, connection: BaseEmailBackend) -> None:
    try:
        make_mail(notice, connection).send()
    except SMTPException as error:
        # This one only: the server may refuse one address and take the others.
        _log.warning("notice %s was not sent by e-mail: %s", notice.pk, error)
    else:
        Notice.objects.filter(pk=notice.pk).update(mail_state=MailState.SENT, mail_due_at=None)


def make_mail(notice: Notice, connection: BaseEmailBackend | None = None) -> EmailMessage:
    """Return the mail in the language that its reader last read a page in."""
    with override(mail_language(notice.user)):
        words = words_of(notice.kind, notice.parameters)
        parts = [words.title, words.body, _address(notice.url), _("You can turn e-mail off on the page of your notices.")]
    # A header is one line, whatever stands in a name.
    subject = " ".join(words.title.split())
    body = "\n\n".join(part for part in parts if part)
    return EmailMessage(subject=subject, body=body, to=[notice.user.email], connection=connection)


def _address(url: str) -> str:
    """Return the full address where the site knows its own, else nothing: half an address helps nobody."""
    return urljoin(settings.SITE_ORIGIN, url) if url and settings.SITE_ORIGIN else ""
