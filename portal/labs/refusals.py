"""Why a lab is not launched, started, stopped or removed: one class a reason, each explained in the reader's language.

Refusal
├── TemplateNotReady   its image is still being made, or could not be made
├── NoHost             no host takes new labs
├── OverQuota          a ceiling of the team or of the member would be passed
└── NotNow             the lab's state does not allow it
"""

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.common.refusals import Refusal
from portal.common.units import format_amount
from portal.labs.lifecycle import LabEvent, LabState
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.teams.quotas import Shortage, Verdict
from portal.teams.resource_names import resource_name


class TemplateNotReady(Refusal):
    def __init__(self, template: LabTemplate) -> None:
        super().__init__(f"template {template.slug} is {template.state}")
        self.template = template

    def explain(self) -> str:
        if self.template.state == TemplateState.BUILDING:
            return _("%(name)s is still being prepared. Try again in a few minutes.") % {"name": self.template.name}
        return _("%(name)s could not be prepared. Ask your teacher to try again.") % {"name": self.template.name}


class NoHost(Refusal):
    def explain(self) -> str:
        return _("No host takes new labs at the moment. Ask an administrator.")


class OverQuota(Refusal):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"over quota: {verdict.shortages}")
        self.verdict = verdict

    def explain(self) -> str:
        return explain_verdict(self.verdict)


class NotNow(Refusal):
    def __init__(self, lab: Lab, event: LabEvent) -> None:
        super().__init__(f"cannot {event} lab {lab.uuid} that is {lab.state}")
        self.lab = lab

    def explain(self) -> str:
        state = LabState(self.lab.state).label
        return _("That is not possible now: %(name)s is “%(state)s”.") % {"name": self.lab.name, "state": state}


def explain_verdict(verdict: Verdict) -> str:
    """Say the first thing that is short: the others may well be gone with it."""
    return explain_shortage(verdict.shortages[0]) if verdict.shortages else ""


def explain_shortage(shortage: Shortage) -> str:
    """Name what is short, by how much, and what helps."""
    if shortage.limit < shortage.requested:
        return _too_small(shortage)
    values = _amounts(shortage)
    if shortage.scope == "member" and shortage.resource == "labs":
        text = _("You have %(used)s of the %(limit)s labs that you may have. Remove one that you no longer need.")
    elif shortage.scope == "member" and shortage.resource == "hours":
        text = _("You have used %(used)s of the %(limit)s of lab time that you may have in a week.")
    elif shortage.scope == "member":
        text = _(
            "Your quota of %(resource)s is used up: %(used)s of %(limit)s taken, %(requested)s more needed. "
            "Stop or remove a lab of yours."
        )
    elif shortage.resource == "labs":
        text = _("The team has %(used)s of the %(limit)s labs that it may have. Remove one, or ask your teacher for room.")
    elif shortage.resource == "hours":
        text = _("The team has used %(used)s of the %(limit)s of lab time that it may have in a week.")
    else:
        text = _(
            "The team's quota of %(resource)s is used up: %(used)s of %(limit)s taken, %(requested)s more needed. "
            "Stop a lab, or ask your teacher for room."
        )
    return text % values


def _too_small(shortage: Shortage) -> str:
    """No lab that one stops would help here."""
    is_own = shortage.scope == "member"
    if shortage.resource == "labs":
        return _("You may have no lab in this team. Ask your teacher.") if is_own else _("This team may have no lab for now.")
    if is_own:
        text = _("%(resource)s: this lab needs %(requested)s, your whole quota is %(limit)s. Ask your teacher to raise it.")
    else:
        text = _(
            "%(resource)s: this lab needs %(requested)s, the whole team's quota is %(limit)s. Ask an administrator to raise it."
        )
    return capfirst(text % _amounts(shortage))


def _amounts(shortage: Shortage) -> dict[str, str]:
    return {
        "resource": resource_name(shortage.resource),
        "used": format_amount(shortage.resource, shortage.used),
        "limit": format_amount(shortage.resource, shortage.limit),
        "requested": format_amount(shortage.resource, shortage.requested),
    }
