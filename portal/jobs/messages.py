"""Kinds of error in plain words. The agent's own sentence is the detail; this is what a student reads first."""

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

_SENTENCES: dict[str, StrPromise] = {
    "engine_unreachable": _("The engine of this host does not answer. Try again in a moment."),
    "host_silent": _("The host does not answer. Try again later or ask your teacher."),
    "image_missing": _("The image of this lab is not on the host yet."),
    "command_not_runnable": _("The command of this lab cannot be run in its image."),
    "quota": _("The quota on the host does not allow it."),
    "refused": _("The host refused it."),
    "conflict": _("Something else is being done to this lab."),
    "in_use": _("Something still uses it."),
    "program_missing": _("A program that this needs is missing on the host."),
    "bootstrap_failed": _("The image could not be made."),
    "out_of_memory": _("The lab used more memory than it may and was stopped."),
    "bug": _("Something went wrong on our side. It has been logged."),
}
_OTHER = _("It did not work.")


def explain(kind: str) -> str:
    """Return the sentence for an error kind in the active language; empty for no error."""
    return str(_SENTENCES.get(kind, _OTHER)) if kind else ""
