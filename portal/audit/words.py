"""What the audit log says in words: actions, the names of what was changed, and values. Unknown codes stay as they are."""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrPromise

from portal.common.units import format_amount
from portal.teams.models import Role
from portal.teams.quotas import RESOURCES
from portal.teams.resource_names import resource_name
from portal.teams.rules import FLAGS

ACTIONS: Mapping[str, StrPromise] = {
    "lab.launch": gettext_lazy("Lab made and started"),
    "lab.start": gettext_lazy("Lab started"),
    "lab.stop": gettext_lazy("Lab stopped"),
    "lab.remove": gettext_lazy("Lab removed"),
    "template.build": gettext_lazy("Image of a template prepared"),
    "container.start": gettext_lazy("Container started"),
    "container.stop": gettext_lazy("Container stopped"),
    "container.remove": gettext_lazy("Container removed"),
    "containers.stop": gettext_lazy("Containers without a lab stopped"),
    "image.remove": gettext_lazy("Image removed"),
    "volume.remove": gettext_lazy("Volume removed"),
    "network.remove": gettext_lazy("Network removed"),
    "team.create": gettext_lazy("Team made"),
    "team.remove": gettext_lazy("Team removed"),
    "membership.set": gettext_lazy("Role given"),
    "membership.remove": gettext_lazy("Member removed"),
    "quota.set": gettext_lazy("Quota changed"),
    "rules.set": gettext_lazy("Rules changed"),
    "preset.save": gettext_lazy("Preset saved"),
    "request.ask": gettext_lazy("More asked for"),
    "request.approve": gettext_lazy("Request approved"),
    "request.decline": gettext_lazy("Request declined"),
    "request.withdraw": gettext_lazy("Request withdrawn"),
    "grant.end": gettext_lazy("Grant ended"),
    "user.create": gettext_lazy("User made"),
    "user.set": gettext_lazy("Rights of a user changed"),
    "user.remove": gettext_lazy("User removed"),
}

_DIGEST = re.compile(r":[0-9a-f]{32}\Z")
_LONG_ID = re.compile(r"\A(?:sha256:)?([0-9a-f]{12})[0-9a-f]{52}\Z")  # as docker shows them

_FIELDS: Mapping[str, StrPromise] = {
    "pull": gettext_lazy("pull images"),
    "build": gettext_lazy("build images"),
    "push": gettext_lazy("push images"),
    "publish": gettext_lazy("publish ports"),
    "port_range": gettext_lazy("range of ports"),
    "outside": gettext_lazy("reach outside networks"),
    "outside_to": gettext_lazy("only these outside"),
    "role": gettext_lazy("role"),
    "amount": gettext_lazy("amount"),
    "until": gettext_lazy("until"),
    "quota": gettext_lazy("quota of the team"),
    "member_quota": gettext_lazy("quota of each member"),
    "members": gettext_lazy("members"),
    "is_active": gettext_lazy("may sign in"),
    "is_staff": gettext_lazy("may use the administration"),
    "is_superuser": gettext_lazy("has all rights"),
    "template": gettext_lazy("template"),
    "team": gettext_lazy("team"),
    "user": gettext_lazy("person"),
    "resource": gettext_lazy("resource"),
    "name": gettext_lazy("name"),
    "names": gettext_lazy("names"),
    "id": gettext_lazy("id"),
}


def action_words(action: str) -> str:
    return str(ACTIONS.get(action, action))


def field_words(name: str) -> str:
    """Return what a value is called in the middle of a sentence."""
    return str(_FIELDS.get(name) or resource_name(name))


def value_words(name: str, value: Any) -> str:
    """Return a value as people write it. ``name`` says what it is of."""
    if value is None:
        return _("no limit")
    if isinstance(value, bool):
        return _yes_or_no(name, is_so=value)
    if isinstance(value, int | float):
        return format_amount(name, value)
    if isinstance(value, dict):
        return ", ".join(f"{field_words(part)}: {value_words(part, held)}" for part, held in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(value_words("", item) for item in value) or _("none")
    return _text_words(name, value) if isinstance(value, str) else json.dumps(value)


def _yes_or_no(name: str, *, is_so: bool) -> str:
    if name in FLAGS:
        return _("allowed") if is_so else _("not allowed")
    return _("yes") if is_so else _("no")


def subject_words(subject: str) -> str:
    """Return what an entry is about without the digest that tells objects of one tenant apart: their name stands beside it."""
    return _DIGEST.sub("", subject)


def _text_words(name: str, text: str) -> str:
    if name == "id":
        return _LONG_ID.sub(r"\1", text)
    if name == "role" and text in Role.values:
        return str(Role(text).label)
    if name == "resource" and text in RESOURCES:
        return resource_name(text)
    moment = _date_of(text) if name == "until" else None
    return date_format(moment, "DATE_FORMAT") if moment else text


def _date_of(text: str) -> date | None:
    """A date that was never one is text."""
    try:
        return parse_date(text)
    except ValueError:
        return None
