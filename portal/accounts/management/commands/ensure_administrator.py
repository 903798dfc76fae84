"""``manage.py ensure_administrator``: make the first administrator; prints JSON with the password only when newly made."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from portal.accounts.models import User
from portal.accounts.services import ensure_user


class Command(BaseCommand):
    help = "Make the administrator 'admin' unless there is one; print {username, password} as JSON when newly made."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(is_superuser=True).exists():
            return
        user, password = ensure_user("admin", is_administrator=True)
        if password is not None:
            self.stdout.write(json.dumps({"username": user.username, "password": password}))
