"""Forms of requests: amounts with units, dates from today on."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.accounts.models import User
from portal.common.units import UnitError, format_amount, format_exact, parse_amount
from portal.common.words import localize
from portal.requests.models import QuotaRequest
from portal.teams.models import Team
from portal.teams.quotas import RESOURCES
from portal.teams.resource_names import resource_name
from portal.teams.selectors import effective_quota, teams_of

LONGEST_DAYS = 366
_DEFAULT_DAYS = 7

Choices = list[tuple[str, list[tuple[str, str]]]]


class Decision(TextChoices):
    APPROVE = "approve"
    DECLINE = "decline"


def parse_asked(resource: str, text: str) -> float:
    """Read an amount to ask for or to grant; raises ValidationError for what is no amount or nothing."""
    try:
        amount = parse_amount(resource, text)
    except UnitError as error:
        raise ValidationError(str(error)) from error
    if not amount:
        raise ValidationError(_("Write how much more."))
    return amount


class DayField(forms.DateField):
    """A day from today to a year on, by the browser's own picker."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), **options)
        self.input_formats = ["%Y-%m-%d"]

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "type": "date"}

    def validate(self, value: Any) -> None:
        super().validate(value)
        if isinstance(value, date) and not first_day() <= value <= last_day():
            raise ValidationError(_("Choose a day from today on, within a year."))


def first_day() -> date:
    return timezone.localdate()


def last_day() -> date:
    return timezone.localdate() + timedelta(days=LONGEST_DAYS)


class AskForm(forms.Form):
    """``what`` is ``<team's short name>:<resource>``, of the member's teams and what has a ceiling there."""

    what = forms.ChoiceField(label=gettext_lazy("What"))
    amount = forms.CharField(
        label=gettext_lazy("How much more"),
        max_length=40,
        help_text=gettext_lazy("With its unit, such as 512 MiB, 1.5 CPU, 5 h, or a plain number of labs."),
    )
    until = DayField(label=gettext_lazy("Until the end of"))
    why = forms.CharField(
        label=gettext_lazy("Why"), max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 3, "maxlength": 500})
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._teams = {team.slug: team for team in teams_of(user)}
        what = self.fields["what"]
        assert isinstance(what, forms.ChoiceField)  # noqa: S101 for the type checker: declared above
        what.choices = self.offered = ask_choices(user, list(self._teams.values()))
        self.fields["until"].widget.attrs.update(min=first_day().isoformat(), max=last_day().isoformat())

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        slug, _colon, resource = values.get("what", "").partition(":")
        if slug and "amount" in values:
            try:
                values["amount"] = parse_asked(resource, values["amount"])
            except ValidationError as error:
                self.add_error("amount", error)
        return {**values, "team": self._teams.get(slug), "resource": resource}


class DecisionForm(forms.Form):
    """What a teacher sends: the amounts as asked, or changed."""

    decision = forms.ChoiceField(choices=Decision.choices)
    amount = forms.CharField(max_length=40, required=False)
    until = DayField(required=False)
    reply = forms.CharField(max_length=500, required=False)

    def __init__(self, *args: Any, quota_request: QuotaRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = quota_request

    def clean(self) -> dict[str, Any]:
        """Empty fields mean: as asked. What is declined needs neither amount nor day."""
        values = super().clean() or {}
        if values.get("decision") == Decision.DECLINE:
            for name in ("amount", "until"):
                self.errors.pop(name, None)
            return values
        text = values.get("amount", "")
        amount = parse_asked(self._request.resource, text) if text else self._request.amount
        until = values.get("until") or self._request.until
        if until < first_day():
            raise ValidationError(_("Choose a day from today on, within a year."))
        return {**values, "amount": amount, "until": until}

    def first_error(self) -> str:
        return str(next(iter(self.errors.values()))[0]) if self.errors else ""


def ask_choices(user: User, teams: list[Team]) -> Choices:
    """Return what the member may ask for in each team, with what they have of it."""
    return [(localize(team.name), options) for team in teams if (options := _options(user, team))]


def _options(user: User, team: Team) -> list[tuple[str, str]]:
    limits = effective_quota(team, user).set_limits()
    return [(f"{team.slug}:{name}", _label(name, limits[name])) for name in RESOURCES if name in limits]


def _label(resource: str, limit: float) -> str:
    values = {"resource": capfirst(resource_name(resource)), "amount": format_amount(resource, limit)}
    return _("%(resource)s (you have %(amount)s)") % values


def prefill(query: Mapping[str, str]) -> dict[str, Any]:
    """Read ``?team=&resource=&amount=`` of a link; an amount without a unit is in the resource's own (bytes, processors)."""
    team, resource, amount = (query.get(name, "") for name in ("team", "resource", "amount"))
    initial: dict[str, Any] = {"until": first_day() + timedelta(days=_DEFAULT_DAYS)}
    if team and resource:
        initial["what"] = f"{team}:{resource}"
    if amount:
        initial["amount"] = _prefilled_amount(resource, amount)
    return initial


def _prefilled_amount(resource: str, text: str) -> str:
    try:
        amount = float(text)
        return format_exact(resource, amount) if 0 < amount < 2**53 else ""
    except ValueError:
        return text[:40]
