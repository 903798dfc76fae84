"""Names the app to Django and listens to what hosts answer and tell of quotas."""

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    name = "portal.teams"

    def ready(self) -> None:
        from portal.jobs.actions import Listener, register_listener
        from portal.jobs.incoming import register_observer
        from portal.teams import pushes, reports

        register_listener((pushes.SET, pushes.DELETE), Listener(pushes.take_job))
        register_observer("usage", reports.take_usage)
