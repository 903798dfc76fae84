"""The messages of a live page about the quota of a tenant: its row on the page of quotas, and the sums that it is part of."""

from typing import Any

from django.template.loader import render_to_string

from portal.accounts.models import User
from portal.teams.models import Team
from portal.teams.quota_rows import default_row, host_sums, member_row, member_sums, row_dom_id, sum_dom_id, team_row
from portal.teams.selectors import staffed_teams, taught_teams

Message = dict[str, Any]


def render_tenant(user: User, key: str) -> list[Message]:
    """``key`` is a tenant; with nothing behind its slash the default of the team's members. Nothing for whoever is no staff."""
    slug, slash, username = key.partition("/")
    team = staffed_teams(user).filter(slug=slug).first()
    if team is None:
        return []
    can_edit = taught_teams(user).filter(pk=team.pk).exists()
    if username:
        return _member(team, username, can_edit=can_edit)
    row = default_row(team, can_edit=can_edit) if slash else team_row(team, can_edit=user.is_administrator)
    messages = [_replace(row.dom_id, "quotas/_row.html", {"row": row, "team": slug})]
    messages.append(_replace(sum_dom_id(team), "quotas/_sums.html", {"sums": member_sums(team), "dom_id": sum_dom_id(team)}))
    if user.is_administrator and not slash:
        messages.append(_replace("quota-hosts", "quotas/_hosts.html", {"host_sums": host_sums()}))
    return messages


def _member(team: Team, username: str, *, can_edit: bool) -> list[Message]:
    membership = team.memberships.select_related("team", "user").filter(user__username=username).first()
    if membership is None:
        return [{"type": "remove", "id": row_dom_id(team, username)}]
    row = member_row(membership, can_edit=can_edit)
    return [_replace(row.dom_id, "quotas/_row.html", {"row": row, "team": team.slug})]


def _replace(dom_id: str, template_name: str, context: dict[str, Any]) -> Message:
    return {"type": "replace", "id": dom_id, "html": render_to_string(template_name, context)}
