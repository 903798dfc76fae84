"""Names the app to Django."""

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    name = "portal.teams"
