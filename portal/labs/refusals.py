"""Why a lab is not launched, started, stopped or removed: one class a reason, each explained in the reader's language.

Refusal
├── TemplateNotReady   its image is still being made, or could not be made
├── NoHost             no host takes new labs
├── OverQuota          a ceiling of the team or of the member would be passed
└── NotNow             the lab's state does not allow it
"""

from django.utils.translation import gettext as _

from portal.common.units import format_amount
from portal.labs.lifecycle import LabEvent, LabState
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.teams.quotas import Shortage, Verdict


class Refusal(Exception):
    """A known reason not to do it."""

    def explain(self) -> str:
        raise NotImplementedError


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
        return " ".join(explain_shortage(shortage) for shortage in self.verdict.shortages[:1])


class NotNow(Refusal):
    def __init__(self, lab: Lab, event: LabEvent) -> None:
        super().__init__(f"cannot {event} lab {lab.uuid} that is {lab.state}")
        self.lab = lab

    def explain(self) -> str:
        state = LabState(self.lab.state).label
        return _("That is not possible now: %(name)s is “%(state)s”.") % {"name": self.lab.name, "state": state}


def explain_shortage(shortage: Shortage) -> str:
    """Name what is short, by how much, and what helps."""
    values = {
        "resource": resource_name(shortage.resource),
        "used": format_amount(shortage.resource, shortage.used),
        "limit": format_amount(shortage.resource, shortage.limit),
        "requested": format_amount(shortage.resource, shortage.requested),
    }
    if shortage.scope == "member":
        text = _(
            "Your quota of %(resource)s is used up: %(used)s of %(limit)s taken, %(requested)s more needed. Stop or remove a lab."
        )
    else:
        text = _("The team's quota of %(resource)s is used up: %(used)s of %(limit)s taken, %(requested)s more needed.")
    return text % values


def resource_name(resource: str) -> str:
    return {"labs": _("labs"), "cpus": _("processors"), "memory_bytes": _("memory"), "pids": _("processes")}[resource]
