"""Users in Django's admin. A change here reaches the user's open sockets at once."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from portal.accounts.models import User
from portal.common.live import send_access_changed


@admin.register(User)
class AtelierUserAdmin(UserAdmin[User]):
    list_display = ("username", "first_name", "last_name", "is_superuser", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """The name is the owner of all that runs on the hosts: under another one it would be out of reach."""
        return ("username",) if obj else ()

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        send_access_changed([obj.pk])

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        send_access_changed([obj.pk])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        send_access_changed(list(queryset.values_list("pk", flat=True)))
        super().delete_queryset(request, queryset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 Django's name
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and id.isdecimal():
            send_access_changed([int(id)])
        return response
