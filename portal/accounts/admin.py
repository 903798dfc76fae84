"""Users in Django's admin. A change here reaches the user's open sockets at once."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from portal.accounts.models import User
from portal.audit.services import record
from portal.common.live import send_access_changed

_RIGHTS = ("is_active", "is_staff", "is_superuser")


@admin.register(User)
class AtelierUserAdmin(UserAdmin[User]):
    list_display = ("username", "first_name", "last_name", "is_superuser", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """The name is the owner of all that runs on the hosts: under another one it would be out of reach."""
        return ("username",) if obj else ()

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = User.objects.filter(pk=obj.pk).values(*_RIGHTS).first() or {}
        super().save_model(request, obj, form, change)
        self._record_rights(request, obj, before)
        send_access_changed([obj.pk])

    def _record_rights(self, request: HttpRequest, user: User, before: dict[str, bool]) -> None:
        """Whoever is an administrator, and whoever may sign in at all, is a matter of record."""
        changed = [name for name in _RIGHTS if before.get(name) != getattr(user, name)]
        if changed:
            record(
                actor=cast("User", request.user),
                action="user.set" if before else "user.create",
                subject=f"user:{user.username}",
                before={name: before[name] for name in changed if name in before} or None,
                after={name: getattr(user, name) for name in changed},
            )

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        record(actor=cast("User", request.user), action="user.remove", subject=f"user:{obj.username}")
        send_access_changed([obj.pk])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            record(actor=cast("User", request.user), action="user.remove", subject=f"user:{user.username}")
        send_access_changed(list(queryset.values_list("pk", flat=True)))
        super().delete_queryset(request, queryset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 Django's name
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and id.isdecimal():
            send_access_changed([int(id)])
        return response
