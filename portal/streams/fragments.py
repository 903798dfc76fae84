"""Renders what changed for one user: the messages of a live page. Reads only what that user may see."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from portal.accounts.models import User
from portal.jobs.messages import explain
from portal.jobs.models import Job, JobState
from portal.jobs.rows import job_dom_id, job_row
from portal.jobs.selectors import get_job_for, visible_jobs
from portal.labs.cards import lab_card, lab_dom_id, lab_header_dom_id, offer_card, offer_dom_id
from portal.labs.remedies import Advice, advise_on_quota
from portal.labs.selectors import get_lab_for, get_template_for, visible_labs, visible_templates
from portal.labs.team_cards import team_labs_dom_id, usage_card
from portal.notices.selectors import own_notices
from portal.requests.selectors import visible_requests
from portal.streams.bell import render_notice
from portal.streams.quota_fragments import render_tenant
from portal.streams.request_fragments import render_request
from portal.teams.selectors import get_team_for, is_team_staff

Message = dict[str, Any]

# A page that slept longer than this many changes is behind by more than fragments can mend quickly.
_MOST_MISSED = 100


def render_change(user: User, language: str, *, kind: str, key: str) -> list[Message]:
    """Return the messages that bring a page up to date with one object; those of a gone object take it away."""
    with override(language):
        return _RENDERERS[kind](user, key)


def render_toast(user: User, language: str, job_id: int) -> Message | None:
    """Return a toast if the job was asked for by ``user`` and did not work."""
    job = visible_jobs(user).filter(pk=job_id, requested_by=user, state__in=(JobState.FAILED, JobState.ERRORED)).first()
    if job is None:
        return None
    with override(language):
        advice = _advice_on(job, user)
        error = advice.text if advice else explain(job.error_kind)
        text = _("%(name)s: %(error)s") % {"name": job.object_name, "error": error}
        toast = {"type": "toast", "level": "error", "text": text}
        if advice and advice.remedies:
            toast["html"] = render_to_string("labs/_remedies.html", {"remedies": advice.remedies})
    return toast


def render_refusal(user: User, language: str, *, tenant: str, quota: Mapping[str, Any]) -> Message | None:
    """Return what to say of the engine's refusal to a command of ``tenant``; None where the person sees no such team."""
    with override(language):
        try:
            team = get_team_for(user, tenant.partition("/")[0])
        except Http404:
            return None
        advice = advise_on_quota(quota, reader=user, team=team, tenant=tenant, of_lab=False)
        if advice is None:
            return None
        html = render_to_string("labs/_remedies.html", {"remedies": advice.remedies})
    about = {"tenant": quota["tenant"], "resource": quota["resource"], "needed": quota["requested"]}
    return {"type": "refused", **about, "text": advice.text, "html": html}


def _advice_on(job: Job, user: User) -> Advice | None:
    quota = job.result.get("quota")
    return advise_on_quota(quota, reader=user, team=job.team, tenant=job.tenant) if quota and job.team else None


def changed_since(user: User, since: datetime) -> list[tuple[str, str]]:
    """Return (kind, key) of what the user may see that looks different since then."""
    labs = visible_labs(user).filter(changed_at__gte=since).values_list("pk", flat=True)
    jobs = visible_jobs(user).filter(changed_at__gte=since).values_list("pk", flat=True)
    templates = visible_templates(user).filter(changed_at__gte=since).values_list("slug", flat=True)
    teams = visible_labs(user).filter(changed_at__gte=since).order_by().values_list("team__slug", flat=True).distinct()
    requests = visible_requests(user).filter(changed_at__gte=since).values_list("pk", flat=True)
    return [
        *(("lab", str(key)) for key in labs[:_MOST_MISSED]),
        *(("job", str(key)) for key in jobs[:_MOST_MISSED]),
        *(("template", key) for key in templates[:_MOST_MISSED]),
        *(("quota", key) for key in teams),
        *(("request", str(key)) for key in requests[:_MOST_MISSED]),
        *(("notice", "list") for _ in own_notices(user).filter(created_at__gte=since)[:1]),
    ]


def _render_lab(user: User, key: str) -> list[Message]:
    try:
        lab = get_lab_for(user, UUID(key))
    except Http404:
        return [_remove(lab_dom_id(key)), _remove(lab_header_dom_id(key))]
    card = lab_card(lab, user)
    html = render_to_string("labs/_card.html", {"lab": card})
    messages = [_replace(card.header_dom_id, "labs/_header.html", {"lab": card})]
    if lab.owner_id == user.pk:
        messages.append({"type": "append", "to": "labs", "html": html})
    if is_team_staff(user, lab.team):
        messages.append({"type": "append", "to": team_labs_dom_id(lab.team.slug), "html": html})
    return messages


def _render_job(user: User, key: str) -> list[Message]:
    try:
        job: Job = get_job_for(user, int(key))
    except Http404:
        return [_remove(job_dom_id(key))]
    return [{"type": "append", "to": "jobs", "html": render_to_string("jobs/_row.html", {"job": job_row(job)})}]


def _render_template(user: User, key: str) -> list[Message]:
    try:
        offer = offer_card(get_template_for(user, key), user)
    except Http404:
        return [_remove(offer_dom_id(key))]
    return [{"type": "append", "to": "offers", "html": render_to_string("labs/_offer.html", {"offer": offer})}]


def _render_quota(user: User, slug: str) -> list[Message]:
    try:
        team = get_team_for(user, slug)
    except Http404:
        return []
    usage = usage_card(team, user)
    offers = [offer_card(template, user) for template in visible_templates(user).filter(teams=team)]
    return [
        _replace(usage.dom_id, "teams/_usage.html", {"usage": usage}),
        _replace(usage.share_dom_id, "labs/_share.html", {"share": usage}),
        *(_replace(offer.dom_id, "labs/_offer.html", {"offer": offer}) for offer in offers),
    ]


def _replace(dom_id: str, template_name: str, context: dict[str, Any]) -> Message:
    return {"type": "replace", "id": dom_id, "html": render_to_string(template_name, context)}


def _remove(dom_id: str) -> Message:
    return {"type": "remove", "id": dom_id}


_RENDERERS: dict[str, Callable[[User, str], list[Message]]] = {
    "lab": _render_lab,
    "job": _render_job,
    "template": _render_template,
    "quota": _render_quota,
    "notice": render_notice,
    "request": render_request,
    "tenant": render_tenant,
}
