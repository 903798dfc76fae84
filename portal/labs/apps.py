"""Names the app to Django and listens to the jobs and hosts that concern labs and templates."""

from django.apps import AppConfig


class LabsConfig(AppConfig):
    name = "portal.labs"

    def ready(self) -> None:
        from portal.jobs.actions import Listener, register_listener
        from portal.jobs.incoming import register_observer
        from portal.labs import observations, outcomes, templates

        register_listener(("lab.start", "lab.stop", "lab.remove"), Listener(outcomes.lab_job_changed))
        register_listener(("image.import_shell", "image.bootstrap_debian"), Listener(templates.template_job_changed))
        register_observer("event", observations.take_event)
        register_observer("survey", observations.take_survey)
