"""Names the app to Django."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "portal.notices"
