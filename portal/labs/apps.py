"""Names the app to Django, listens to the jobs and hosts that concern labs and templates, and gives quotas the count of labs."""

from django.apps import AppConfig


class LabsConfig(AppConfig):
    name = "portal.labs"

    def ready(self) -> None:
        from portal.jobs.actions import Listener, register_listener
        from portal.jobs.incoming import register_observer
        from portal.labs import observations, outcomes, templates
        from portal.labs.room import count_labs
        from portal.teams.providers import register_labs

        register_listener(("lab.start", "lab.stop", "lab.remove"), Listener(outcomes.lab_job_changed))
        register_listener(("image.import_shell", "image.bootstrap_debian"), Listener(templates.template_job_changed))
        register_observer("event", observations.take_event)
        register_observer("survey", observations.take_survey)
        register_labs(count_labs)
