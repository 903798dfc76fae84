"""Names the app to Django."""

from django.apps import AppConfig


class HostsConfig(AppConfig):
    name = "portal.hosts"
