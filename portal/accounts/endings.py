"""Closes a user's sockets when a session ends or a password changes.

The one place with signals: Django's admin, allauth and our own code all sign out through the same function of Django,
and there is nothing else that all of them pass.
"""

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest

from portal.accounts.models import User
from portal.common.live import send_access_changed, send_session_ended


def connect() -> None:
    user_logged_out.connect(_close_session, dispatch_uid="atelier.session")
    for signal in (password_changed, password_reset, password_set):
        signal.connect(_check_sessions, dispatch_uid="atelier.password")


def _close_session(sender: object, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None and request is not None:
        send_session_ended(user.pk, request.session.session_key)


def _check_sessions(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    send_access_changed([user.pk])
