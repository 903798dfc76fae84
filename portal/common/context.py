"""What every page is given: the navigation of the person who looks."""

import time
from typing import Any

from django.http import HttpRequest

from portal.common.live import LIVE_PATH

# The database was read some moments before the page is rendered.
_SLACK_MS = 2000


def page(request: HttpRequest) -> dict[str, Any]:
    """Return ``live_url``: it tells when the page was rendered, so that nothing is missed until its socket is open."""
    return {"live_url": f"{LIVE_PATH}?since={time.time_ns() // 1_000_000 - _SLACK_MS}"}
