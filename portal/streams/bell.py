"""The messages of a live page about its reader's notices: the number on the bell, the list under it, the page of all."""

from typing import Any

from django.template.loader import render_to_string

from portal.accounts.models import User
from portal.notices.selectors import bell_of


def render_notice(user: User, key: str) -> list[dict[str, Any]]:
    """``key`` is ``list`` for a new notice, ``count`` where some were read: what is being read keeps its marks."""
    bell = bell_of(user)
    messages = [_replace("bell-count", "notices/_count.html", {"bell": bell})]
    if key == "list":
        messages.append(_replace("bell-list", "notices/_list.html", {"bell": bell}))
        rows = [render_to_string("notices/_row.html", {"notice": row}) for row in reversed(bell.rows) if row.is_new]
        messages += [{"type": "append", "to": "notices", "html": html} for html in rows]
    return messages


def _replace(dom_id: str, template_name: str, context: dict[str, Any]) -> dict[str, Any]:
    return {"type": "replace", "id": dom_id, "html": render_to_string(template_name, context)}
