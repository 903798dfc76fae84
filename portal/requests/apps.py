"""Names the app to Django, adds grants to quotas, and puts its notices into words."""

from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "portal.requests"

    def ready(self) -> None:
        from portal.notices.kinds import register_kind
        from portal.requests import texts
        from portal.requests.selectors import active_grants
        from portal.teams.providers import register_grants

        register_grants(active_grants)
        for kind, writer in texts.WRITERS.items():
            register_kind(kind, writer)
