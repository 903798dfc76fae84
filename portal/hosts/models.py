"""A machine with an engine."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Host(models.Model):
    name = models.CharField(_("name"), max_length=40, unique=True, validators=[RegexValidator(r"\A[a-z0-9][a-z0-9.-]*\Z")])
    is_enabled = models.BooleanField(_("takes new labs"), default=True)
    engine_version = models.CharField(_("engine version"), max_length=40, blank=True, editable=False)
    cpus = models.FloatField(_("processors"), null=True, editable=False)
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"), null=True, editable=False)
    disk_bytes = models.PositiveBigIntegerField(_("disk in bytes"), null=True, editable=False)
    pids = models.PositiveBigIntegerField(_("processes"), null=True, editable=False)
    seen_at = models.DateTimeField(_("last report"), null=True, editable=False)

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The Celery queue that the host's agent reads."""
        return f"host.{self.name}"
