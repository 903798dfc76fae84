"""Settings and wiring of the portal. Importing it makes the Celery application the default one for shared tasks."""

from portal.config.celery import app as celery_app

__all__ = ["celery_app"]
