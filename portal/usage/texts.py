"""The words of notices about lab hours, in the reader's language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.common.units import format_amount
from portal.common.words import localize
from portal.notices.kinds import Words, Writer

WARNED, STOPPED = "hours.warned", "hours.stopped"


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
        "%(team)s. When none is left your labs are stopped, with all files kept. Stop what you do not need, or ask for more."
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
    help_text = _("Ask for more, or go on next Monday.")
    return Words(title, f"{text % {**values, 'labs': ', '.join(labs)}} {help_text}")


WRITERS: Mapping[str, Writer] = {WARNED: _warned, STOPPED: _stopped}
