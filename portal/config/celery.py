"""The Celery application of the portal: the worker of queue ``portal`` and the sender of jobs to the hosts."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import after_task_publish, beat_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@beat_init.connect
def show_life_of_beat(**_: Any) -> None:
    """From here on each task that beat sends touches a file beside its schedule, whose age tells its health."""
    alive = Path(app.conf.beat_schedule_filename).with_name("beat-alive")
    after_task_publish.connect(lambda **_: alive.touch(), weak=False)
