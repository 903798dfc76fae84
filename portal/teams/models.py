"""Teams and memberships. A team's slug is the team part of its members' tenants."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal.teams.quotas import Quota

validate_team_slug = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9_.-]{0,30}[a-z0-9])?\Z",
    _("Use 1 to 32 of a-z, 0-9, dot, dash and underscore, beginning and ending with a letter or digit."),
)


class Role(models.TextChoices):
    TEACHER = "teacher", _("Teacher")
    ASSISTANT = "assistant", _("Assistant")
    STUDENT = "student", _("Student")


STAFF_ROLES = (Role.TEACHER, Role.ASSISTANT)


class Team(models.Model):
    """Quota fields are ceilings on the sum of labs; empty means none. ``member_*`` holds for each member by itself."""

    slug = models.CharField(_("short name"), max_length=32, unique=True, validators=[validate_team_slug])
    name = models.CharField(_("name"), max_length=80)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="teams")

    labs = models.PositiveIntegerField(_("labs"), null=True, blank=True)
    cpus = models.FloatField(_("processors"), null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"), null=True, blank=True)
    pids = models.PositiveIntegerField(_("processes"), null=True, blank=True)
    member_labs = models.PositiveIntegerField(_("labs of a member"), null=True, blank=True)
    member_cpus = models.FloatField(_("processors of a member"), null=True, blank=True)
    member_memory_bytes = models.PositiveBigIntegerField(_("memory of a member in bytes"), null=True, blank=True)
    member_pids = models.PositiveIntegerField(_("processes of a member"), null=True, blank=True)

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("teams:detail", args=[self.slug])

    @property
    def quota(self) -> Quota:
        return Quota(labs=self.labs, cpus=self.cpus, memory_bytes=self.memory_bytes, pids=self.pids)

    @property
    def member_quota(self) -> Quota:
        return Quota(labs=self.member_labs, cpus=self.member_cpus, memory_bytes=self.member_memory_bytes, pids=self.member_pids)


class Membership(models.Model):
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.STUDENT)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ("team", "user")
        constraints = (models.UniqueConstraint(fields=("team", "user"), name="one_membership_a_team"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.get_role_display()}"

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF_ROLES
