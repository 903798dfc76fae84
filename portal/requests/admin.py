"""Requests and grants in Django's admin: to be read only. They are decided on their page, where everybody is told."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from portal.requests.models import Grant, QuotaRequest


class _ReadOnly(admin.ModelAdmin[Any]):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(QuotaRequest)
class QuotaRequestAdmin(_ReadOnly):
    list_display = ("user", "team", "resource", "amount", "until", "state", "decided_by")
    list_filter = ("state", "resource", "team")
    search_fields = ("user__username",)


@admin.register(Grant)
class GrantAdmin(_ReadOnly):
    list_display = ("user", "team", "resource", "amount", "begins_at", "ends_at", "ended_at")
    list_filter = ("resource", "team")
