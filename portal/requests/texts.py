"""The words of notices about requests, in the reader's language. The values are those of ``parameters_of``."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.common.units import format_amount
from portal.common.words import localize
from portal.notices.kinds import Words, Writer
from portal.requests.models import QuotaRequest
from portal.teams.resource_names import resource_name

ASKED, APPROVED, DECLINED, WITHDRAWN, ENDED = (
    "request.asked",
    "request.approved",
    "request.declined",
    "request.withdrawn",
    "request.ended",
)


def parameters_of(quota_request: QuotaRequest) -> dict[str, Any]:
    """Return what the words need, as JSON: what was granted where something was, else what was asked."""
    until = quota_request.decided_until or quota_request.until
    decided_by = quota_request.decided_by
    return {
        "person": quota_request.user.display_name,
        "team": quota_request.team.name,
        "resource": quota_request.resource,
        "amount": quota_request.decided_amount or quota_request.amount,
        "until": until.isoformat(),
        "why": quota_request.why,
        "by": decided_by.display_name if decided_by else "",
        "reply": quota_request.reply,
    }


def _values(parameters: Mapping[str, Any]) -> dict[str, str]:
    resource = str(parameters["resource"])
    return {
        "person": str(parameters["person"]),
        "team": localize(str(parameters["team"])),
        "resource": resource_name(resource),
        "amount": format_amount(resource, float(parameters["amount"])),
        "until": date_format(date.fromisoformat(str(parameters["until"])), "DATE_FORMAT"),
        "by": str(parameters["by"]),
    }


def _quoted(text: str) -> str:
    return _("“%(text)s”") % {"text": text} if text else ""


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _asked(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    title = _("%(person)s asks for more %(resource)s: %(amount)s") % values
    return Words(title, _lines(_("%(team)s, until %(until)s.") % values, _quoted(str(parameters["why"]))))


def _approved(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    title = _("Granted to %(person)s: more %(resource)s, %(amount)s") % values
    text = _("%(team)s, until the end of %(until)s. Decided by %(by)s.") % values
    return Words(title, _lines(text, _quoted(str(parameters["reply"]))))


def _declined(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    title = _("Not granted to %(person)s: more %(resource)s, %(amount)s") % values
    return Words(title, _lines(_("%(team)s. Decided by %(by)s.") % values, _quoted(str(parameters["reply"]))))


def _withdrawn(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    return Words(_("%(person)s no longer asks for more %(resource)s") % values, _("%(team)s.") % values)


def _ended(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    title = _("What %(person)s was granted has ended: more %(resource)s, %(amount)s") % values
    return Words(title, _("%(team)s. What runs goes on; nothing new starts beyond the quota.") % values)


WRITERS: Mapping[str, Writer] = {
    ASKED: _asked,
    APPROVED: _approved,
    DECLINED: _declined,
    WITHDRAWN: _withdrawn,
    ENDED: _ended,
}
