"""Names the app to Django."""

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "portal.streams"
