"""``manage.py seed_demo``: a class to try things with; prints JSON with the passwords of users newly made."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from portal.labs.demo import seed_demo


class Command(BaseCommand):
    help = "Make team 'demo' with a teacher, three students and two templates; print {user name: password} of new users as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(seed_demo()))
