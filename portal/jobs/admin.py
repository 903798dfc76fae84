"""Jobs in Django's admin: to be read, not written."""

from django.contrib import admin
from django.http import HttpRequest

from portal.jobs.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin[Job]):
    list_display = ("id", "action", "object_name", "state", "attempt", "requested_by", "host", "created_at", "finished_at")
    list_filter = ("state", "action", "host")
    search_fields = ("object_key", "object_name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
