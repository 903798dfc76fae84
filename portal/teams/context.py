"""Whether the person who looks has a page of quotas. Read only where a page shows it."""

from typing import Any

from django.http import HttpRequest

from portal.accounts.models import User
from portal.teams.selectors import is_quota_reader


def quotas(request: HttpRequest) -> dict[str, Any]:
    """Return ``is_quota_reader``, to be called by the template."""
    user = getattr(request, "user", None)
    return {"is_quota_reader": lambda: is_quota_reader(user)} if isinstance(user, User) else {}
