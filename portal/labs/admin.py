"""Lab templates and labs in Django's admin. Labs are started and removed on their pages, not here."""

from django.contrib import admin
from django.http import HttpRequest

from portal.labs.models import Lab, LabTemplate


@admin.register(LabTemplate)
class LabTemplateAdmin(admin.ModelAdmin[LabTemplate]):
    list_display = ("name", "slug", "image", "state")
    list_filter = ("state", "teams")
    filter_horizontal = ("teams",)
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012 Django's form of a class attribute


@admin.register(Lab)
class LabAdmin(admin.ModelAdmin[Lab]):
    list_display = ("name", "owner", "team", "state", "host", "created_at")
    list_filter = ("state", "team", "host")
    search_fields = ("name", "owner__username")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Lab | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Lab | None = None) -> bool:
        return False
