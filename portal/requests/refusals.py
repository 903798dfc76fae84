"""Why a request is not made or not decided: one class a reason, each explained in the reader's language.

Refusal
├── AskedAlready    an open request for the same is there
├── TooMany         more requests in a day than anybody needs
├── NoCeiling       there is no ceiling that something could be added to
├── NoMember        who asked is no member of the team (any more)
├── BeyondTeam      a teacher may not give a member more than the team has
├── NotOwn          nobody but an administrator decides on their own request
└── NotNow          somebody else was quicker, or it is over
"""

from django.utils.translation import gettext as _

from portal.common.refusals import Refusal
from portal.common.units import format_amount
from portal.requests.models import QuotaRequest, RequestState
from portal.teams.resource_names import resource_name


class AskedAlready(Refusal):
    def explain(self) -> str:
        return _("You have asked for that already. Withdraw that request first, or wait for the answer.")


class TooMany(Refusal):
    def explain(self) -> str:
        return _("You have asked very often today. Try again tomorrow, or talk to your teacher.")


class NoCeiling(Refusal):
    def explain(self) -> str:
        return _("There is no limit on that for you, so there is nothing to ask for.")


class NoMember(Refusal):
    def explain(self) -> str:
        return _("Who asked is not in the team any more.")


class BeyondTeam(Refusal):
    def __init__(self, resource: str, *, limit: float, wanted: float) -> None:
        super().__init__(f"{resource}: {wanted} is more than the team's {limit}")
        self.resource, self.limit, self.wanted = resource, limit, wanted

    def explain(self) -> str:
        text = _(
            "That would be %(wanted)s of %(resource)s for one member, and the whole team has %(limit)s. "
            "Grant less, or ask an administrator."
        )
        return text % {
            "wanted": format_amount(self.resource, self.wanted),
            "resource": resource_name(self.resource),
            "limit": format_amount(self.resource, self.limit),
        }


class NotOwn(Refusal):
    def explain(self) -> str:
        return _("Nobody decides on their own request. Ask another teacher or an administrator.")


class NotNow(Refusal):
    def __init__(self, quota_request: QuotaRequest) -> None:
        super().__init__(f"request {quota_request.pk} is {quota_request.state}")
        self.quota_request = quota_request

    def explain(self) -> str:
        state = RequestState(self.quota_request.state).label
        return _("That is not possible any more: this request is “%(state)s”.") % {"state": state}
