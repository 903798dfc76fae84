"""``manage.py ensure_host [NAME]``: make the row of a host, by default of this machine."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from portal.hosts.services import ensure_host


class Command(BaseCommand):
    help = "Make the row of a host unless there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default=settings.HOST_NAME)

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        ensure_host(name)
