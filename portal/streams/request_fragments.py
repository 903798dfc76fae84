"""The messages of a live page about a request: its card, and the number of those that wait for the reader."""

from typing import Any

from django.http import Http404
from django.template.loader import render_to_string

from portal.accounts.models import User
from portal.requests.cards import request_card, request_dom_id, waiting_for
from portal.requests.forms import first_day, last_day
from portal.requests.models import RequestState
from portal.requests.selectors import get_request_for


def render_request(user: User, key: str) -> list[dict[str, Any]]:
    """A new request appears in the list; a settled one stays where it is until the page is read again."""
    number = render_to_string("requests/_waiting.html", {"waiting_requests": waiting_for(user)})
    messages = [{"type": "replace", "id": "requests-waiting", "html": number}]
    dom_id = request_dom_id(key)
    try:
        quota_request = get_request_for(user, int(key))
    except Http404:
        return [*messages, {"type": "remove", "id": dom_id}]
    card = request_card(quota_request, user, first_day=first_day(), last_day=last_day())
    html = render_to_string("requests/_card.html", {"request_card": card})
    if quota_request.state == RequestState.OPEN:
        return [*messages, {"type": "append", "to": "requests", "html": html}]
    return [*messages, {"type": "replace", "id": dom_id, "html": html}]
