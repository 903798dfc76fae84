"""The words of notices about lab hours and what they end, in the reader's language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.common.units import format_amount
from portal.common.words import localize
from portal.notices.kinds import Words, Writer

WARNED, STOPPED, LEFT = "hours.warned", "hours.stopped", "containers.stopped"


def _values(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {
        "team": localize(str(parameters["team"])),
        "used": format_amount("hours", round(float(parameters["used"]), 1)),
        "limit": format_amount("hours", float(parameters["limit"])),
    }


def _warned(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    title = _("Most of your lab hours of this week are used: %(used)s of %(limit)s") % values
    text = _(
        "%(team)s. When none is left your labs and what you started with docker are stopped, with all files kept. "
        "Stop what you do not need, or ask for more."
    )
    return Words(title, text % values)


def _stopped(parameters: Mapping[str, Any]) -> Words:
    values = _values(parameters)
    labs = [str(name) for name in parameters["labs"]]
    title = ngettext("Your lab was stopped: no lab hours left", "Your labs were stopped: no lab hours left", len(labs))
    if parameters["scope"] == "team":
        text = _("%(team)s has used its %(limit)s of this week, so %(labs)s was stopped. All files are kept.")
    else:
        text = _("%(team)s: your %(limit)s of this week are used, so %(labs)s was stopped. All files are kept.")
    help_text = _("Containers that you started with docker stop too. Ask for more, or go on next Monday.")
    return Words(title, f"{text % {**values, 'labs': ', '.join(labs)}} {help_text}")


def _left(parameters: Mapping[str, Any]) -> Words:
    names = [str(name) for name in parameters["containers"]]
    title = ngettext("A container of yours was stopped: no lab runs", "Containers of yours were stopped: no lab runs", len(names))
    text = _("%(team)s counts lab hours, so what you start with docker runs only beside a lab: %(names)s. All files are kept.")
    return Words(title, text % {"team": localize(str(parameters["team"])), "names": ", ".join(names)})


WRITERS: Mapping[str, Writer] = {WARNED: _warned, STOPPED: _stopped, LEFT: _left}
