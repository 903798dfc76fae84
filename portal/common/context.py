"""What every page is given: the navigation of the person who looks."""

from typing import Any

from django.http import HttpRequest

from portal.common.live import LIVE_PATH


def page(request: HttpRequest) -> dict[str, Any]:
    """Return ``live_url``; the rest of the navigation comes from ``user`` itself."""
    return {"live_url": LIVE_PATH}
