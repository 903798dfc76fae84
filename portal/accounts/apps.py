"""Names the app to Django and connects the ends of sessions to open sockets."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "portal.accounts"

    def ready(self) -> None:
        from portal.accounts.endings import connect

        connect()
