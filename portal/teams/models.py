"""Teams, memberships, their quotas and rules, and what hosts hold of them.

A team's slug is the team part of its members' tenants.
"""

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.hosts.models import Host
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
    """``quota_values`` are ceilings on the team's whole; ``member_*`` hold for each member who has no own value.

    Values map a resource of ``quotas.RESOURCES`` to an amount; absent or null: no ceiling. Rules are those of ``rules.RULES``.
    """

    slug = models.CharField(_("short name"), max_length=32, unique=True, validators=[validate_team_slug])
    name = models.CharField(_("name"), max_length=80)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="teams")
    quota_values = models.JSONField(_("quota of the team"), default=dict, blank=True, editable=False)
    member_quota_values = models.JSONField(_("quota of each member"), default=dict, blank=True, editable=False)
    rules = models.JSONField(_("rules of the team"), default=dict, blank=True, editable=False)
    member_rules = models.JSONField(_("rules of each member"), default=dict, blank=True, editable=False)

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
        return Quota(self.quota_values)

    @property
    def member_quota(self) -> Quota:
        """What holds for a member who has no own value and no grant; see ``selectors.effective_quota``."""
        return Quota(self.member_quota_values)


class Membership(models.Model):
    """``quota_values`` and ``rules`` are the member's own: an absent one is the team's default, a null one no ceiling."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships", verbose_name=_("team"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.STUDENT)
    quota_values = models.JSONField(_("own quota"), default=dict, blank=True, editable=False)
    rules = models.JSONField(_("own rules"), default=dict, blank=True, editable=False)

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

    @property
    def quota(self) -> Quota:
        return Quota(self.quota_values)


class QuotaPreset(models.Model):
    """Values to be set in one go, for a team or for members."""

    name = models.CharField(_("name"), max_length=60, unique=True)
    values = models.JSONField(_("values"), default=dict, blank=True)

    class Meta:
        verbose_name = _("preset of quotas")
        verbose_name_plural = _("presets of quotas")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class TenantOnHost(models.Model):
    """What a host was last told of a tenant's quota, what it holds, and what it reports is used. Stays when the tenant goes.

    ``wanted`` is ``{"limits", "rules"}``, null where the engine shall forget the tenant. ``revision`` counts changes of it.
    ``refused`` maps a resource to the reason why this engine cannot hold it. ``report`` is the engine's last view of the tenant.
    """

    tenant = models.CharField(_("tenant"), max_length=80)
    host = models.ForeignKey(Host, models.CASCADE, related_name="tenants", verbose_name=_("host"))
    wanted: models.JSONField[Any, Any] = models.JSONField(_("wanted"), null=True, default=None)
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    acknowledged = models.PositiveBigIntegerField(_("revision held"), default=0)
    held = models.JSONField(_("held"), default=dict)
    refused = models.JSONField(_("refused"), default=dict)
    problem = models.CharField(_("problem"), max_length=300, blank=True)
    observed_at_ns = models.BigIntegerField(_("last observation"), default=0)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, db_index=True)
    report = models.JSONField(_("last report"), default=dict)

    class Meta:
        verbose_name = _("tenant on a host")
        verbose_name_plural = _("tenants on hosts")
        ordering = ("tenant", "host")
        constraints = (models.UniqueConstraint(fields=("tenant", "host"), name="one_row_a_tenant_and_host"),)

    def __str__(self) -> str:
        return f"{self.tenant} @ {self.host}"

    @property
    def is_pending(self) -> bool:
        return self.acknowledged < self.revision
