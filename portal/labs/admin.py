"""Lab templates and labs in Django's admin. Labs are started and removed on their pages, not here."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from portal.accounts.models import User
from portal.common.forms import BytesField
from portal.common.refusals import Refusal
from portal.common.units import format_amount
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.labs.templates import build_template, tell_pages


@admin.register(LabTemplate)
class LabTemplateAdmin(admin.ModelAdmin[LabTemplate]):
    list_display = ("name", "slug", "image", "memory", "state", "position")
    list_filter = ("state", "teams")
    filter_horizontal = ("teams",)
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012 Django's form of a class attribute
    readonly_fields = ("state",)
    actions = ("prepare_again",)

    @admin.display(description=_("memory"), ordering="memory_bytes")
    def memory(self, template: LabTemplate) -> str:
        return format_amount("memory_bytes", template.memory_bytes)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "memory_bytes":
            return BytesField(label=capfirst(_("memory")), initial=db_field.default)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: LabTemplate, form: Any, change: bool) -> None:
        if obj.source and not change:
            # Its image is not there yet: it is made as soon as the row and its teams are written.
            obj.state = TemplateState.FAILED
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if form.instance.source and (not change or {"source", "image"} & set(form.changed_data)):
            self._build(request, form.instance)
        else:
            tell_pages(form.instance)

    @admin.action(description=_("Prepare again"))
    def prepare_again(self, request: HttpRequest, queryset: QuerySet[LabTemplate]) -> None:
        for template in queryset.exclude(source=""):
            self._build(request, template)

    def _build(self, request: HttpRequest, template: LabTemplate) -> None:
        try:
            build_template(actor=cast("User", request.user), template=template)
        except Refusal as refusal:
            self.message_user(request, refusal.explain(), messages.ERROR)


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
