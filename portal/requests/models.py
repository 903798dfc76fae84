"""Requests and what was granted. A request keeps what was asked; a grant is what holds."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.teams.models import Team


class RequestState(models.TextChoices):
    OPEN = "open", pgettext_lazy("request", "Open")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    ENDED = "ended", _("Ended")


class QuotaRequest(models.Model):
    """``amount`` is asked on top of the quota, in the unit of ``teams.quotas``, until the end of day ``until`` of the site."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="quota_requests", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="quota_requests", verbose_name=_("user"))
    resource = models.CharField(_("resource"), max_length=20)
    amount = models.FloatField(_("amount"))
    until = models.DateField(_("until"))
    why = models.CharField(_("why"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=RequestState.choices, default=RequestState.OPEN)
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, db_index=True)

    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_amount = models.FloatField(_("granted amount"), null=True, blank=True)
    decided_until = models.DateField(_("granted until"), null=True, blank=True)
    reply = models.CharField(_("reply"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(fields=("team", "user", "resource"), condition=Q(state="open"), name="one_open_request"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="asks_for_something"),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.resource} ({self.state})"


class Grant(models.Model):
    """``amount`` on top of the member's quota from ``begins_at`` to ``ends_at``; ``ended_at`` is set once its end was told."""

    request = models.OneToOneField(QuotaRequest, models.CASCADE, related_name="grant", verbose_name=_("request"))
    team = models.ForeignKey(Team, models.CASCADE, related_name="grants", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants", verbose_name=_("user"))
    resource = models.CharField(_("resource"), max_length=20)
    amount = models.FloatField(_("amount"))
    begins_at = models.DateTimeField(_("begins"))
    ends_at = models.DateTimeField(_("ends"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        ordering = ("-pk",)
        indexes = (models.Index(fields=("ends_at",), condition=Q(ended_at=None), name="grant_by_end"),)
        constraints = (models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="grant_has_a_time"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.resource}"
