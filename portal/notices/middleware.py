"""Remembers in which language a person reads the site, for what they are told when no browser is there to say it."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import get_language

from portal.accounts.models import User
from portal.notices.services import remember_language

_NOTED = "language_noted"


class ReaderLanguageMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        language = get_language() or ""
        user = request.user
        # Kept in the session, which is read anyway: no look at the database but after a change.
        if isinstance(user, User) and user.is_authenticated and request.session.get(_NOTED) != language:
            remember_language(user, language)
            request.session[_NOTED] = language
        return self._get_response(request)
