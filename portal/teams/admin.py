"""Teams and memberships in Django's admin. Memberships are written by the services, so that lost roles close sockets."""

from typing import Any

from django.contrib import admin
from django.db.models import Field, QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from portal.common.forms import BytesField
from portal.common.live import ADMINISTRATORS, member_group, send_access_changed, send_changed
from portal.common.units import format_amount
from portal.teams.models import Membership, Team

_NO_CEILING = _("Empty: no ceiling.")


class MembershipInline(admin.TabularInline[Membership, Team]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin[Team]):
    list_display = ("name", "slug", "labs", "cpus", "memory", "pids")
    search_fields = ("name", "slug")
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("slug", "name")}),
        (_("Quota of the team"), {"fields": ("labs", "cpus", "memory_bytes", "pids"), "description": _NO_CEILING}),
        (
            _("Quota of each member"),
            {
                "fields": ("member_labs", "member_cpus", "member_memory_bytes", "member_pids"),
                "description": _NO_CEILING,
            },
        ),
    )

    @admin.display(description=_("memory"), ordering="memory_bytes", empty_value="-")
    def memory(self, team: Team) -> str | None:
        return None if team.memory_bytes is None else format_amount("memory_bytes", team.memory_bytes)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name.endswith("memory_bytes"):
            return BytesField(required=False, label=capfirst(_("memory")))
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        send_changed([ADMINISTRATORS, member_group(obj.pk)], kind="quota", key=obj.slug)

    def get_readonly_fields(self, request: HttpRequest, obj: Team | None = None) -> tuple[str, ...]:
        """The short name is the owner of all that runs on the hosts: under another one it would be out of reach."""
        return ("slug",) if obj else ()

    def save_formset(self, request: HttpRequest, form: Any, formset: BaseModelFormSet[Any, Any], change: bool) -> None:
        super().save_formset(request, form, formset, change)
        objects = [*formset.new_objects, *formset.deleted_objects, *(changed for changed, _ in formset.changed_objects)]
        send_access_changed({membership.user_id for membership in objects if isinstance(membership, Membership)})

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        send_access_changed(list(obj.memberships.values_list("user_id", flat=True)))
        super().delete_model(request, obj)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ("team", "user", "role")
    list_filter = ("team", "role")
    autocomplete_fields = ("user", "team")

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        send_access_changed([obj.user_id])

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        send_access_changed([obj.user_id])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        send_access_changed(list(queryset.values_list("user_id", flat=True)))
        super().delete_queryset(request, queryset)
