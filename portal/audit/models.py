"""One line of the audit log. Names are copied, since users and labs go and the line stays."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("actor"))
    actor_name = models.CharField(_("actor's name"), max_length=32, blank=True)
    action = models.CharField(_("action"), max_length=40)
    subject = models.CharField(_("subject"), max_length=120)
    before: models.JSONField[Any, Any] = models.JSONField(_("before"), null=True, blank=True)
    after: models.JSONField[Any, Any] = models.JSONField(_("after"), null=True, blank=True)
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=("action",), name="audit_by_action"),
            models.Index(fields=("subject",), name="audit_by_subject"),
        )

    def __str__(self) -> str:
        return f"{self.actor_name or '-'} {self.action} {self.subject}"
