"""Why a quota is not changed: one class a reason, each explained in the reader's language.

QuotaRefusal
├── TooLittle      less than any engine can hold
└── BeyondTeam     a teacher may share out what the team has, and no more
"""

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.common.refusals import Refusal
from portal.common.units import format_amount
from portal.teams.resource_names import resource_name


class QuotaRefusal(Refusal):
    """A known reason not to do it; ``resource`` is the one that it is about."""

    def __init__(self, resource: str, amount: float, bound: float) -> None:
        super().__init__(f"{resource}: {amount} is out of bounds, the bound is {bound}")
        self.resource = resource
        self.amount = amount
        self.bound = bound

    def _values(self) -> dict[str, str]:
        return {
            "resource": capfirst(resource_name(self.resource)),
            "amount": format_amount(self.resource, self.amount),
            "bound": format_amount(self.resource, self.bound),
        }


class TooLittle(QuotaRefusal):
    def explain(self) -> str:
        text = _("%(resource)s: %(amount)s is too little, write at least %(bound)s or leave it empty for no limit.")
        return text % self._values()


class BeyondTeam(QuotaRefusal):
    def explain(self) -> str:
        text = _("%(resource)s: %(amount)s is more than the whole team has, which is %(bound)s. Ask an administrator for more.")
        return text % self._values()
