"""Lab templates and labs."""

import re
import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.hosts.models import Host
from portal.labs.lifecycle import LabState
from portal.teams.models import Team
from portal.teams.quotas import Amounts

# Debian policy 5.6.1; in front of it stands nothing that would be an option or a pattern to apt.
_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def validate_packages(value: object) -> None:
    """Raise ValidationError unless it is a list of names of Debian packages."""
    if not isinstance(value, list) or not all(isinstance(name, str) and _PACKAGE_NAME.fullmatch(name) for name in value):
        raise ValidationError(_("Write a list of names of Debian packages."))


class TemplateState(models.TextChoices):
    READY = "ready", _("Ready")
    BUILDING = "building", _("Being prepared")
    FAILED = "failed", _("Could not be prepared")


class LabTemplate(models.Model):
    """Recipe of a lab. ``source`` names the job that makes the image; empty: the image is there already."""

    class Source(models.TextChoices):
        NONE = "", _("None: the image is on the host")
        SHELL = "image.import_shell", _("BusyBox of the host")
        DEBIAN = "image.bootstrap_debian", _("Debian by mmdebstrap")

    slug = models.SlugField(_("short name"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(_("description"), max_length=240, blank=True)
    image = models.CharField(_("image"), max_length=200)
    source = models.CharField(_("made by"), max_length=40, choices=Source.choices, default=Source.NONE, blank=True)
    packages = models.JSONField(
        _("packages"),
        default=list,
        blank=True,
        validators=[validate_packages],
        help_text=_("List of Debian packages beside the usual ones; for Debian by mmdebstrap only."),
    )
    has_docker = models.BooleanField(
        _("docker inside"),
        default=False,
        help_text=_("Its owner's docker socket and the docker command are in the lab: what they start counts for their quota."),
    )
    command = models.JSONField(_("command"), default=list, blank=True, help_text=_("List of words; empty: the image's own."))
    shell = models.JSONField(_("shell"), default=list, blank=True, help_text=_("List of words; empty: /bin/sh -l."))
    cpus = models.FloatField(_("processors"), default=1.0)
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"), default=256 * 1024 * 1024)
    pids = models.PositiveIntegerField(_("processes"), default=200)
    position = models.PositiveSmallIntegerField(_("position"), default=100, help_text=_("Lower ones are shown first."))
    state = models.CharField(_("state"), max_length=10, choices=TemplateState.choices, default=TemplateState.READY)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)
    teams = models.ManyToManyField(Team, related_name="templates", blank=True, verbose_name=_("teams"))

    class Meta:
        verbose_name = _("lab template")
        verbose_name_plural = _("lab templates")
        ordering = ("position", "name")

    def __str__(self) -> str:
        return self.name

    @property
    def resources(self) -> Amounts:
        """What one running lab of it takes, without counting the lab itself."""
        return {"cpus": self.cpus, "memory": self.memory_bytes, "pids": self.pids}

    @property
    def object_key(self) -> str:
        return f"template:{self.slug}"


class Lab(models.Model):
    """One person's environment. Limits are copied from the template, so that editing it changes no running lab."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=90)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="labs", verbose_name=_("owner"))
    team = models.ForeignKey(Team, models.PROTECT, related_name="team_labs", verbose_name=_("team"))
    template = models.ForeignKey(LabTemplate, models.PROTECT, related_name="labs", verbose_name=_("template"))
    host = models.ForeignKey(Host, models.PROTECT, related_name="labs", verbose_name=_("host"))
    cpus = models.FloatField(_("processors"))
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"))
    pids = models.PositiveIntegerField(_("processes"))

    state = models.CharField(_("state"), max_length=10, choices=LabState.choices, default=LabState.PENDING)
    container_id = models.CharField(_("container"), max_length=64, blank=True)
    terminal_exec_id = models.CharField(_("shell of the terminal"), max_length=64, blank=True)
    observed_at_ns = models.BigIntegerField(_("last observation"), default=0)
    error_kind = models.CharField(_("kind of error"), max_length=40, blank=True)
    message = models.TextField(_("message"), blank=True)
    shortage = models.JSONField(_("what was short"), default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("lab")
        verbose_name_plural = _("labs")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.owner})"

    def get_absolute_url(self) -> str:
        return reverse("labs:detail", args=[self.uuid])

    @property
    def tenant(self) -> str:
        """The tenant that owns the lab's container on the host."""
        return f"{self.team.slug}/{self.owner.username}"

    @property
    def object_key(self) -> str:
        return f"lab:{self.uuid}"
