"""What is too little for one more lab, said before somebody presses Start. Bars nothing: the engine's verdict is the authority.

Notes are made of each ceiling that a start meets, hidden where there is room; the page's socket of usage shows and hides them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.accounts.models import User
from portal.labs.models import LabTemplate
from portal.labs.remedies import Remedy, ask_for_more, shortage_words
from portal.teams.models import Team
from portal.teams.quotas import Shortage
from portal.teams.reported import reported_usage
from portal.teams.selectors import effective_quota
from portal.teams.tenants import member_tenant

# Nobody can tell what a lab is going to write. With less than this part of its limit left, a disk counts as full.
_ALMOST = 1 / 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """One ceiling in the way of a start. ``needs``: how much has to be left, in the engine's unit; 0 where nobody can tell."""

    team: str
    tenant: str
    resource: str
    needs: int
    is_short: bool
    text: SafeString
    remedies: tuple[Remedy, ...]


def shortages_of(template: LabTemplate, user: User, teams: Mapping[str, Team]) -> list[Short]:
    """Return the notes of a template for teams by short name: of the first one those in need are shown, as that is chosen."""
    return [
        note
        for index, team in enumerate(teams.values())
        for note in _notes(_needs(template), user=user, team=team, is_chosen=index == 0)
    ]


def _needs(template: LabTemplate) -> dict[str, int]:
    """What the engine looks at when a lab is made and started; sizes beyond a whole quota are refused by the portal itself."""
    return {"containers": 1, "running": 1, "memory": template.memory_bytes, "pids": 1, "disk": 0}


def _notes(needs: Mapping[str, int], *, user: User, team: Team, is_chosen: bool) -> Iterator[Short]:
    for member, tenant in ((user, member_tenant(team, user)), (None, team.slug)):
        limits = effective_quota(team, member).set_limits()
        used = reported_usage(team, member) if limits.keys() & needs.keys() else {}
        for resource in filter(limits.__contains__, needs):
            shortage = Shortage(
                scope="member" if member else "team",
                resource=resource,
                limit=limits[resource],
                used=used.get(resource, 0),
                requested=needs[resource],
            )
            yield Short(
                team=team.slug,
                tenant=tenant,
                resource=resource,
                needs=needs[resource],
                is_short=is_chosen and _is_short(shortage),
                text=_live_text(shortage, member=member, team=team),
                remedies=(Remedy(label=_("Show what there is"), url=reverse("workloads:list")), *ask_for_more(shortage, team)),
            )


def _is_short(shortage: Shortage) -> bool:
    left = shortage.limit - shortage.used
    return left < shortage.requested if shortage.requested else left <= shortage.limit * _ALMOST


def _live_text(shortage: Shortage, *, member: User | None, team: Team) -> SafeString:
    """Return the words of a refusal with marked amounts, so that they can follow what is used."""
    sentence, values = shortage_words(shortage, member=member.username if member else "", is_reader=True, team=team)
    pattern = sentence % {name: f"{{{name}}}" for name in values}
    if pattern.startswith("{resource}"):
        values["resource"] = capfirst(values["resource"])
    marked = {name: format_html("<span data-{}>{}</span>", name, values[name]) for name in ("left", "limit")}
    return format_html(pattern, **{**values, **marked})
