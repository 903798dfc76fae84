"""What people write of quotas and rules, read into changes. Errors are sentences by field."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.common.units import UnitError, parse_amount
from portal.teams.models import QuotaPreset
from portal.teams.quotas import INHERIT, RESOURCES
from portal.teams.rules import FLAGS, RuleError, parse_destinations, parse_images, parse_port_range

_ALLOWED, _DENIED = "yes", "no"


def read_values(post: QueryDict) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the changes of all resources that ``post`` has a field of, and the errors of those that are no amounts.

    An empty field is no own value; "no limit" in words is one.
    """
    changes: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in RESOURCES:
        if (text := post.get(name)) is None:
            continue
        try:
            changes[name] = _read_value(name, text)
        except UnitError as error:
            errors[name] = str(error)
    return changes, errors


def _read_value(name: str, text: str) -> Any:
    words = text.strip()
    if not words:
        return INHERIT
    return None if words.lower() == _("no limit").lower() else parse_amount(name, words)


class RulesForm(forms.Form):
    """One field a rule. ``is_member``: an empty choice is what holds for all members, else it is "allowed"."""

    images = forms.CharField(label=gettext_lazy("Images"), required=False, max_length=5000, widget=forms.Textarea({"rows": 3}))
    pull = forms.ChoiceField(label=gettext_lazy("Pull images"), required=False)
    build = forms.ChoiceField(label=gettext_lazy("Build images"), required=False)
    push = forms.ChoiceField(label=gettext_lazy("Push images"), required=False)
    publish = forms.ChoiceField(label=gettext_lazy("Publish ports"), required=False)
    port_range = forms.CharField(label=gettext_lazy("Range of ports"), required=False, max_length=20)
    outside = forms.ChoiceField(label=gettext_lazy("Reach outside networks"), required=False)
    outside_to = forms.CharField(
        label=gettext_lazy("Only these outside"), required=False, max_length=5000, widget=forms.Textarea({"rows": 3})
    )

    def __init__(self, data: Any = None, *, rules: dict[str, Any], is_member: bool) -> None:
        super().__init__(data, initial=_initial(rules), prefix="rule")
        self._is_member = is_member
        nothing = _("As for each member") if is_member else _("Allowed")
        for name in FLAGS:
            choices = [("", nothing), (_DENIED, _("Not allowed"))]
            if is_member:
                choices.insert(1, (_ALLOWED, _("Allowed")))
            self.fields[name].choices = choices  # type: ignore[attr-defined]  # those five are choices
        self.fields["images"].help_text = _("One pattern a line, such as atelier/*. Empty: all.")
        self.fields["port_range"].help_text = _("Such as 20000-29999. Empty: any.")
        self.fields["outside_to"].help_text = _("One a line, such as 10.0.0.0/8 or 192.0.2.7/32:443. Empty: anywhere.")

    def clean_images(self) -> Any:
        return self._parse(parse_images, "images")

    def clean_port_range(self) -> Any:
        return self._parse(parse_port_range, "port_range")

    def clean_outside_to(self) -> Any:
        return self._parse(parse_destinations, "outside_to")

    def changes(self) -> dict[str, Any]:
        """Return the rules as they shall be; what is left empty is no own rule."""
        read = {name: self.cleaned_data[name] for name in ("images", "port_range", "outside_to")}
        read |= {name: {_ALLOWED: True, _DENIED: False}.get(self.cleaned_data[name]) for name in FLAGS}
        return {name: INHERIT if value is None else value for name, value in read.items()}

    def _parse(self, parse: Any, name: str) -> Any:
        try:
            return parse(self.cleaned_data[name])
        except RuleError as error:
            raise forms.ValidationError(str(error), code="invalid") from None


class PresetForm(forms.Form):
    """The name under which values are kept."""

    name = forms.CharField(label=gettext_lazy("Name of the preset"), max_length=60)


class BulkForm(forms.Form):
    """One value or one preset for many members."""

    resource = forms.ChoiceField(label=gettext_lazy("Resource"), required=False)
    amount = forms.CharField(label=gettext_lazy("Amount"), required=False, max_length=60)
    preset = forms.ModelChoiceField(QuotaPreset.objects.all(), label=gettext_lazy("Preset"), required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.fields["resource"].choices = [(name, name) for name in RESOURCES]  # type: ignore[attr-defined]  # a choice

    def clean(self) -> dict[str, Any]:
        """Read what is asked for into ``changes``."""
        data = super().clean() or {}
        if preset := data.get("preset"):
            return {**data, "changes": {name: preset.values.get(name, INHERIT) for name in RESOURCES}}
        if not (name := data.get("resource")):
            raise forms.ValidationError(_("Choose a resource or a preset."), code="empty")
        try:
            return {**data, "changes": {name: _read_value(name, data.get("amount", ""))}}
        except UnitError as error:
            raise forms.ValidationError(str(error), code="invalid") from None


def _initial(rules: dict[str, Any]) -> dict[str, Any]:
    initial: dict[str, Any] = {name: "\n".join(rules.get(name) or []) for name in ("images", "outside_to")}
    initial["port_range"] = rules.get("port_range") or ""
    for name in FLAGS:
        value = rules.get(name)
        initial[name] = "" if value is None else (_ALLOWED if value else _DENIED)
    return initial
