"""Names the app to Django, listens to hosts, gives quotas the lab hours, and puts its notices into words."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "portal.usage"

    def ready(self) -> None:
        from portal.jobs.actions import Listener, register_listener
        from portal.jobs.incoming import register_observer
        from portal.notices.kinds import register_kind
        from portal.teams.providers import register_hours
        from portal.usage import leftovers, observations, readings, texts
        from portal.usage.selectors import hours_this_week

        register_observer("event", observations.take_event)
        register_observer("survey", observations.take_survey)
        register_observer("usage", readings.take_usage)
        register_observer("usage", leftovers.take_usage)
        register_listener([leftovers.STOP], Listener(changed=leftovers.take_job))
        register_hours(hours_this_week)
        for kind, writer in texts.WRITERS.items():
            register_kind(kind, writer)
