"""How many requests wait for the person who looks. Read only where a page shows it."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.accounts.models import User
from portal.requests.cards import waiting_for


def waiting(request: HttpRequest) -> dict[str, Any]:
    """Return ``waiting_requests`` for people who are signed in."""
    user = getattr(request, "user", None)
    return {"waiting_requests": SimpleLazyObject(lambda: waiting_for(user))} if isinstance(user, User) else {}
