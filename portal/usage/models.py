"""Stretches of time in which labs ran, what tenants used by the hour, and who was told about lab hours."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from portal.hosts.models import Host
from portal.teams.models import Team


class LabRun(models.Model):
    """A lab ran, not paused, from ``begun_at`` to ``ended_at``; still does where that is null, as last seen at ``seen_at``.

    The lab's id is copied: runs stay when their lab is removed.
    """

    lab_id = models.UUIDField(_("lab"))
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"))
    host = models.ForeignKey(Host, models.CASCADE, related_name="+", verbose_name=_("host"))
    begun_at = models.DateTimeField(_("begun"))
    seen_at = models.DateTimeField(_("last seen"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("run of a lab")
        verbose_name_plural = _("runs of labs")
        ordering = ("-begun_at",)
        indexes = (models.Index(fields=("team", "user", "ended_at"), name="run_by_member"),)
        constraints = (
            models.UniqueConstraint(fields=("lab_id",), condition=Q(ended_at=None), name="one_open_run_a_lab"),
            models.CheckConstraint(condition=Q(ended_at=None) | Q(ended_at__gte=F("begun_at")), name="run_ends_after_its_begin"),
        )

    def __str__(self) -> str:
        return f"{self.lab_id} {self.begun_at} to {self.ended_at or 'now'}"


class UsageHour(models.Model):
    """What a tenant used on a host in the hour that begins at ``hour``. ``user`` is null for the whole of a team."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="+", verbose_name=_("host"))
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", verbose_name=_("user"))
    tenant = models.CharField(_("tenant"), max_length=80)
    hour = models.DateTimeField(_("hour"), db_index=True)
    cpu_seconds = models.FloatField(_("processor time in seconds"), default=0.0)
    memory_byte_seconds = models.FloatField(_("memory in byte seconds"), default=0.0)
    disk_byte_seconds = models.FloatField(_("disk in byte seconds"), default=0.0)
    peak_memory_bytes = models.BigIntegerField(_("most memory in bytes"), default=0)
    refusals = models.PositiveIntegerField(_("refusals"), default=0)

    class Meta:
        verbose_name = _("hour of usage")
        verbose_name_plural = _("hours of usage")
        ordering = ("-hour", "tenant")
        constraints = (models.UniqueConstraint(fields=("host", "tenant", "hour"), name="one_row_an_hour"),)

    def __str__(self) -> str:
        return f"{self.tenant} {self.hour}"


class LastReading(models.Model):
    """What an engine last said of a tenant: the next reading is compared with it."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="+", verbose_name=_("host"))
    tenant = models.CharField(_("tenant"), max_length=80)
    at_ns = models.BigIntegerField(_("observed"))
    reading = models.JSONField(_("reading"), default=dict)

    class Meta:
        verbose_name = _("last reading")
        verbose_name_plural = _("last readings")
        constraints = (models.UniqueConstraint(fields=("host", "tenant"), name="one_last_reading"),)

    def __str__(self) -> str:
        return self.tenant


class HoursWarning(models.Model):
    """Somebody was told that most of the week's lab hours are used: once a week."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"))
    week_begins_at = models.DateTimeField(_("week"))

    class Meta:
        verbose_name = _("warning about lab hours")
        verbose_name_plural = _("warnings about lab hours")
        constraints = (models.UniqueConstraint(fields=("team", "user", "week_begins_at"), name="one_warning_a_week"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.week_begins_at}"
