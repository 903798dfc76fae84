"""The bell on every page. Read only where a page shows it."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.accounts.models import User
from portal.notices.selectors import bell_of


def bell(request: HttpRequest) -> dict[str, Any]:
    """Return ``bell`` for people who are signed in."""
    user = getattr(request, "user", None)
    return {"bell": SimpleLazyObject(lambda: bell_of(user))} if isinstance(user, User) else {}
