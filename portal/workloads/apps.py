"""Names the app to Django."""

from django.apps import AppConfig


class WorkloadsConfig(AppConfig):
    name = "portal.workloads"
