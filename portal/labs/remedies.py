"""What somebody who was refused can do about it, as words and buttons: stop something, start something smaller, ask for more.

The engine refuses what it counts and says what was short (``resource, limit, used, requested, tenant``); beside it the agent
names what the same tenant runs that takes most of it (``takers``). Labs and lab hours are refused by the portal itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.accounts.models import User
from portal.common.units import format_amount, format_exact, is_bytes
from portal.common.words import localize
from portal.labs.lifecycle import LabEvent, LabState, can
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.labs.refusals import explain_shortage
from portal.labs.selectors import visible_labs
from portal.teams.models import Team
from portal.teams.quotas import ENGINE_RESOURCES, Shortage, Verdict
from portal.teams.resource_names import resource_name

MOST_TAKERS = 3
_MEBIBYTE = 2**20
_SOME = 4  # a quarter more, where nobody knows how much was needed
_ARE_STOPPED = frozenset({"memory", "swap", "cpus", "pids", "running", "ports"})
_SIZES = {"memory": "memory_bytes", "cpus": "cpus", "pids": "pids"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A button (``fields`` are sent to ``url``) or, without ``is_change``, a link. ``question`` is asked before."""

    label: str
    url: str
    is_change: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    question: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    text: str
    remedies: tuple[Remedy, ...] = ()


def advise_on_quota(quota: Mapping[str, Any], *, reader: User, team: Team, tenant: str, of_lab: bool = True) -> Advice | None:
    """Return what to say to ``reader`` of a refusal of the engine to ``tenant`` of ``team``; None for figures that are none.

    ``of_lab``: whether a smaller lab would do as well as what was refused.
    """
    shortage = _read_shortage(quota)
    if shortage is None:
        return None
    # To stop or remove anything is no help to what is larger than the whole quota.
    is_too_large = shortage.requested > shortage.limit
    named = () if is_too_large else quota.get("takers") or ()
    takers = _taker_remedies(named, shortage.resource, reader=reader, tenant=tenant)
    is_own = of_lab and tenant == f"{team.slug}/{reader.username}"
    smaller = smaller_offers(shortage, reader=reader, team=team) if is_own else []
    words = [name for name, _remedy in takers]
    text = f"{_what_is_short(shortage, quota, reader, team)} {_ways_out(shortage.resource, words, has_smaller=bool(smaller))}"
    lists = [Remedy(label=_("Show what there is"), url=reverse("workloads:list"))] if shortage.resource == "disk" else []
    remedies = (*(remedy for _name, remedy in takers), *lists, *smaller, *ask_for_more(shortage, team))
    return Advice(text=text, remedies=remedies)


def advise_on_verdict(verdict: Verdict, *, reader: User, team: Team) -> Advice | None:
    """Return what to say of a refusal of the portal: the first thing that is short, as the others may be gone with it."""
    if verdict.is_granted:
        return None
    shortage = verdict.shortages[0]
    ways = [*_lab_removals(reader, team)] if shortage.resource == "labs" and shortage.limit >= shortage.requested else []
    if shortage.resource in _SIZES:
        ways += smaller_offers(shortage, reader=reader, team=team)
    return Advice(text=explain_shortage(shortage), remedies=(*ways, *ask_for_more(shortage, team)))


def ask_for_more(shortage: Shortage, team: Team) -> list[Remedy]:
    """Return the link to the form of requests, filled in with what would have been enough; none where there is no such form."""
    needed = shortage.used + shortage.requested - shortage.limit if shortage.requested else shortage.limit / _SOME
    amount = format_exact(shortage.resource, _round_up(shortage.resource, needed))
    query = urlencode({"team": team.slug, "resource": shortage.resource, "amount": amount})
    try:
        return [Remedy(label=_("Ask for more"), url=f"{reverse('requests:new')}?{query}")]
    except NoReverseMatch:
        return []


def _round_up(resource: str, amount: float) -> float:
    """Return an amount that people would write: whole mebibytes, tenths of a processor, whole numbers of all else."""
    step = _MEBIBYTE if is_bytes(resource) else 0.1 if resource == "cpus" else 1
    return round(ceil(amount / step) * step, 1)


def smaller_offers(shortage: Shortage, *, reader: User, team: Team) -> list[Remedy]:
    """Return what is on offer for the team and small enough for what is left, largest first."""
    field = _SIZES.get(shortage.resource)
    if field is None:
        return []
    left = max(0.0, shortage.limit - shortage.used)
    fitting = LabTemplate.objects.filter(
        teams=team, teams__memberships__user=reader, state=TemplateState.READY, **{f"{field}__lte": left}
    ).order_by(f"-{field}", "position")
    return [
        Remedy(
            label=_("Start %(name)s (%(amount)s)")
            % {"name": template.name, "amount": format_amount(shortage.resource, getattr(template, field))},
            url=reverse("labs:launch", args=[template.slug]),
            is_change=True,
            fields=(("team", team.slug),),
        )
        for template in fitting[:2]
        if getattr(template, field) < shortage.requested
    ]


def _read_shortage(quota: Mapping[str, Any]) -> Shortage | None:
    """What an agent of ours did not send is none."""
    try:
        shortage = Shortage(
            scope="member" if "/" in str(quota["tenant"]) else "team",
            resource=str(quota["resource"]),
            limit=float(quota["limit"]),
            used=float(quota["used"]),
            requested=float(quota["requested"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return shortage if shortage.resource in ENGINE_RESOURCES else None


def _what_is_short(shortage: Shortage, quota: Mapping[str, Any], reader: User, team: Team) -> str:
    member = str(quota["tenant"]).partition("/")[2]
    sentence, values = shortage_words(shortage, member=member, is_reader=member == reader.username, team=team)
    return capfirst(sentence % values)


def shortage_words(shortage: Shortage, *, member: str, is_reader: bool, team: Team) -> tuple[str, dict[str, str]]:
    """Return the sentence that names what is needed, who has how much left, and of how much; and the values to put into it.

    ``member`` is empty where it is the whole team that has too little.
    """
    values = {
        "resource": resource_name(shortage.resource),
        "requested": format_amount(shortage.resource, shortage.requested),
        "left": format_amount(shortage.resource, max(0.0, shortage.limit - shortage.used)),
        "limit": format_amount(shortage.resource, shortage.limit),
        "team": localize(team.name),
        "member": member,
    }
    if not shortage.requested:
        return _rest(member, is_reader=is_reader), values
    if shortage.requested > shortage.limit:
        return _whole(member, is_reader=is_reader), values
    return _sentence(shortage.resource, member, is_reader=is_reader), values


def _rest(member: str, *, is_reader: bool) -> str:
    """Nobody can tell what a start or a build is going to write: then it is said only that nothing is left."""
    if not member:
        return _("%(resource)s: team %(team)s has %(left)s left of %(limit)s.")
    if is_reader:
        return _("%(resource)s: you have %(left)s left of %(limit)s.")
    return _("%(resource)s: %(member)s has %(left)s left of %(limit)s.")


def _whole(member: str, *, is_reader: bool) -> str:
    if not member:
        return _("%(resource)s: this needs %(requested)s, the whole quota of team %(team)s is %(limit)s.")
    if is_reader:
        return _("%(resource)s: this needs %(requested)s, your whole quota is %(limit)s.")
    return _("%(resource)s: this needs %(requested)s, the whole quota of %(member)s is %(limit)s.")


def _sentence(resource: str, member: str, *, is_reader: bool) -> str:
    if is_bytes(resource):
        if not member:
            return _("This needs %(requested)s of %(resource)s; team %(team)s has %(left)s left of %(limit)s.")
        if is_reader:
            return _("This needs %(requested)s of %(resource)s; you have %(left)s left of %(limit)s.")
        return _("This needs %(requested)s of %(resource)s; %(member)s has %(left)s left of %(limit)s.")
    if not member:
        return _("%(resource)s: this needs %(requested)s; team %(team)s has %(left)s left of %(limit)s.")
    if is_reader:
        return _("%(resource)s: this needs %(requested)s; you have %(left)s left of %(limit)s.")
    return _("%(resource)s: this needs %(requested)s; %(member)s has %(left)s left of %(limit)s.")


def _ways_out(resource: str, names: Sequence[str], *, has_smaller: bool) -> str:
    values = {"names": ", ".join(names)}
    if resource == "disk":
        return _("Remove files, containers, images or volumes that nobody needs, or ask for more.")
    if names and resource not in _ARE_STOPPED:
        return _("Remove one of: %(names)s, or ask for more.") % values
    if names and has_smaller:
        return _("Stop one of: %(names)s, choose a smaller size, or ask for more.") % values
    if names:
        return _("Stop one of: %(names)s, or ask for more.") % values
    return _("Choose a smaller size, or ask for more.") if has_smaller else _("Ask for more.")


def _taker_remedies(takers: Sequence[Any], resource: str, *, reader: User, tenant: str) -> list[tuple[str, Remedy]]:
    """Return (name, button) of what takes most, as far as it may still be there: labs are known, containers only believed."""
    verb = "stop" if resource in _ARE_STOPPED else "remove"
    known = [taker for taker in takers if isinstance(taker, dict) and taker.get("id") and taker.get("name")]
    labs = {lab.container_id: lab for lab in visible_labs(reader).filter(container_id__in=[taker["id"] for taker in known])}
    found = []
    for taker in known:
        lab = labs.get(taker["id"])
        if lab is None:
            found.append(_container_remedy(str(taker["id"]), str(taker["name"]), verb=verb, tenant=tenant))
        elif can(LabState(lab.state), LabEvent.STOP if verb == "stop" else LabEvent.REMOVE):
            found.append((lab.name, _lab_remedy(lab, verb)))
    return found[:MOST_TAKERS]


def _container_remedy(container_id: str, name: str, *, verb: str, tenant: str) -> tuple[str, Remedy]:
    remedy = Remedy(
        label=_verb_label(verb) % {"name": name},
        url=reverse("workloads:act", args=["containers", verb]),
        is_change=True,
        fields=(("tenant", tenant), ("id", container_id), ("name", name)),
        question=_("Remove %(name)s?") % {"name": name} if verb == "remove" else "",
    )
    return name, remedy


def _lab_remedy(lab: Lab, verb: str) -> Remedy:
    return Remedy(
        label=_verb_label(verb) % {"name": lab.name},
        url=reverse(f"labs:{verb}", args=[lab.uuid]),
        is_change=True,
        question=_("Remove %(name)s and all its files?") % {"name": lab.name} if verb == "remove" else "",
    )


def _verb_label(verb: str) -> str:
    return _("Stop %(name)s") if verb == "stop" else _("Remove %(name)s")


def _lab_removals(reader: User, team: Team) -> list[Remedy]:
    """Stopped labs first: they are missed least."""
    own = visible_labs(reader).filter(owner=reader, team=team).exclude(state=LabState.REMOVING)
    ordered = sorted(own, key=lambda lab: lab.state == LabState.RUNNING)
    return [_lab_remedy(lab, "remove") for lab in ordered[:MOST_TAKERS]]
