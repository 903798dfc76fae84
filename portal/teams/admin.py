"""Teams and memberships in Django's admin. What is written here is recorded, reaches open sockets and hosts like all else."""

from typing import Any, cast

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest

from portal.accounts.models import User
from portal.teams.models import Membership, QuotaPreset, Team, TenantOnHost
from portal.teams.services import note_removal, note_role, note_team_created, note_team_deletion


def _actor(request: HttpRequest) -> User:
    return cast("User", request.user)


def _role_before(membership: Membership) -> str | None:
    return Membership.objects.filter(pk=membership.pk).values_list("role", flat=True).first()


class MembershipInline(admin.TabularInline[Membership, Team]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin[Team]):
    list_display = ("name", "slug")
    search_fields = ("name", "slug")
    inlines = (MembershipInline,)
    fields = ("slug", "name")

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            note_team_created(actor=_actor(request), team=obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Team | None = None) -> tuple[str, ...]:
        """The short name is the owner of all that runs on the hosts: under another one it would be out of reach."""
        return ("slug",) if obj else ()

    @transaction.atomic
    def save_formset(self, request: HttpRequest, form: Any, formset: BaseModelFormSet[Any, Any], change: bool) -> None:
        rows = [row for row in formset.save(commit=False) if isinstance(row, Membership)]
        for membership in formset.deleted_objects:
            note_removal(actor=_actor(request), membership=membership)
            membership.delete()
        for membership in rows:
            before = _role_before(membership)
            membership.save()
            note_role(actor=_actor(request), membership=membership, before=before)

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        note_team_deletion(actor=_actor(request), team=obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        for team in queryset:
            note_team_deletion(actor=_actor(request), team=team)
        super().delete_queryset(request, queryset)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ("team", "user", "role")
    list_filter = ("team", "role")
    autocomplete_fields = ("user", "team")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        """Whose membership of what it is does not change: that would be another one."""
        return ("team", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        before = _role_before(obj)
        super().save_model(request, obj, form, change)
        note_role(actor=_actor(request), membership=obj, before=before)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        note_removal(actor=_actor(request), membership=obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset.select_related("team", "user"):
            note_removal(actor=_actor(request), membership=membership)
        super().delete_queryset(request, queryset)


@admin.register(QuotaPreset)
class QuotaPresetAdmin(admin.ModelAdmin[QuotaPreset]):
    list_display = ("name",)


@admin.register(TenantOnHost)
class TenantOnHostAdmin(admin.ModelAdmin[TenantOnHost]):
    list_display = ("tenant", "host", "revision", "acknowledged", "problem")
    list_filter = ("host",)
    search_fields = ("tenant",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TenantOnHost | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TenantOnHost | None = None) -> bool:
        return False
