"""The job: a wish for a change on a host, and what became of it."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.hosts.models import Host
from portal.teams.models import Team


class JobState(models.TextChoices):
    PENDING = "pending", _("Pending")
    RUNNING = "running", _("Running")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    ERRORED = "errored", _("Errored")


UNFINISHED = (JobState.PENDING, JobState.RUNNING)


class Job(models.Model):
    """``failed``: refused for a known reason. ``errored``: a bug or an outage. Jobs of one ``object_key`` run in order of ids."""

    action = models.CharField(_("action"), max_length=40)
    object_key = models.CharField(_("object"), max_length=120)
    object_name = models.CharField(_("object's name"), max_length=120, blank=True)
    tenant = models.CharField(_("tenant"), max_length=80, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    host = models.ForeignKey(Host, models.PROTECT, related_name="jobs", verbose_name=_("host"))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="jobs", verbose_name=_("requested by")
    )
    team = models.ForeignKey(Team, models.SET_NULL, null=True, blank=True, related_name="jobs", verbose_name=_("team"))

    state = models.CharField(_("state"), max_length=10, choices=JobState.choices, default=JobState.PENDING)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    sequence = models.PositiveIntegerField(_("last report"), default=0)
    percent = models.PositiveSmallIntegerField(_("percent"), null=True, blank=True)
    line = models.CharField(_("last line"), max_length=300, blank=True)
    error_kind = models.CharField(_("kind of error"), max_length=40, blank=True)
    error_message = models.TextField(_("error"), blank=True)
    result = models.JSONField(_("result"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    dispatched_at = models.DateTimeField(_("sent"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, db_index=True)
    deadline_at = models.DateTimeField(_("next report due"), null=True, blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=("object_key", "id"), name="job_by_object"),
            models.Index(fields=("deadline_at",), condition=models.Q(state__in=["pending", "running"]), name="job_by_deadline"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.object_key} ({self.state})"

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED
