"""Celery tasks of notices: each calls one service."""

from celery import shared_task

from portal.notices.mails import send_waiting_mails
from portal.notices.services import prune_notices


@shared_task(name="portal.send_mails")
def send_mails_task() -> None:
    send_waiting_mails()


@shared_task(name="portal.prune_notices")
def prune_notices_task() -> None:
    prune_notices()
