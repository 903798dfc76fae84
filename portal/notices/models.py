"""Notices, kept as kind and values so that each is read in its reader's language, and how their readers want them."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MailState(models.TextChoices):
    NONE = "none", _("No e-mail")
    WAITING = "waiting", _("Waiting")
    SENT = "sent", _("Sent")
    GIVEN_UP = "given_up", _("Given up")


class Notice(models.Model):
    """``url`` is an address of this site. ``mail_due_at`` is when its e-mail is tried (again)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices", verbose_name=_("user"))
    kind = models.CharField(_("kind"), max_length=40)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    url = models.CharField(_("address"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    seen_at = models.DateTimeField(_("seen"), null=True, blank=True)
    mail_state = models.CharField(_("e-mail"), max_length=10, choices=MailState.choices, default=MailState.NONE)
    mail_attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    mail_due_at = models.DateTimeField(_("next attempt"), null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=("user", "seen_at"), name="notice_by_reader"),
            models.Index(fields=("mail_due_at",), condition=models.Q(mail_state="waiting"), name="notice_by_mail"),
        )

    def __str__(self) -> str:
        return f"{self.kind} ({self.user})"


class Reader(models.Model):
    """``language`` is the one that the person last looked at a page in: e-mail has no browser to ask."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="reader", verbose_name=_("user"))
    language = models.CharField(_("language"), max_length=10, blank=True)
    wants_mail = models.BooleanField(_("also by e-mail"), default=True)

    class Meta:
        verbose_name = _("reader")
        verbose_name_plural = _("readers")

    def __str__(self) -> str:
        return f"{self.user} ({self.language})"
