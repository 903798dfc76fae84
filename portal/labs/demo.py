"""The class of ``--demo``: a team with a quota, a teacher, students, and templates that need no registry."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import override, pgettext_lazy

from portal.accounts.models import User
from portal.accounts.services import ensure_user
from portal.hosts.services import ensure_host
from portal.labs.models import LabTemplate, TemplateState
from portal.labs.templates import build_template
from portal.teams.models import Role, Team
from portal.teams.services import create_team, set_role

_MEBIBYTE = 1024 * 1024
_PEOPLE = (
    ("teacher", "Grace Hopper", Role.TEACHER),
    ("ada", "Ada Lovelace", Role.STUDENT),
    ("alan", "Alan Turing", Role.STUDENT),
    ("edsger", "Edsger Dijkstra", Role.STUDENT),
)
# Says something for the log, ends at once when it is stopped, and needs no more than a shell.
_COMMAND = [
    "/bin/sh",
    "-c",
    'trap "exit 0" TERM; echo "$(hostname) is up since $(date)"; while :; do sleep 86400 & wait $!; done',
]
_TEAM_NAME = pgettext_lazy("demo", "Demo class")
_TEAM_QUOTA = {"labs": 20, "cpus": 16, "memory": 8192 * _MEBIBYTE, "pids": 6000, "disk": 20480 * _MEBIBYTE}
_MEMBER_QUOTA = {"labs": 4, "cpus": 4, "memory": 2048 * _MEBIBYTE, "pids": 1500, "containers": 10}
_TEMPLATES = (
    {
        "slug": "shell",
        "name": "Shell",
        "description": pgettext_lazy("demo", "A small Unix system to try commands in. Ready in a moment."),
        "position": 10,
        "image": "atelier/shell:latest",
        "source": LabTemplate.Source.SHELL,
        "command": _COMMAND,
        "cpus": 0.5,
        "memory_bytes": 128 * _MEBIBYTE,
        "pids": 100,
    },
    {
        "slug": "debian-12",
        "name": "Debian 12",
        "description": pgettext_lazy("demo", "A complete Debian system in which you are root."),
        "position": 20,
        "image": "atelier/debian:12",
        "source": LabTemplate.Source.DEBIAN,
        "command": _COMMAND,
        "shell": ["/bin/bash", "-l"],
        "cpus": 1.0,
        "memory_bytes": 512 * _MEBIBYTE,
        "pids": 300,
    },
    {
        "slug": "docker",
        "name": "Docker",
        "description": pgettext_lazy(
            "demo",
            "Debian with docker and docker-compose. Try: docker run --rm -it atelier/shell (or atelier/debian:12)",
        ),
        "position": 30,
        "image": "atelier/docker:12",
        "source": LabTemplate.Source.DEBIAN,
        "packages": ["docker-compose"],
        "has_docker": True,
        "command": _COMMAND,
        "shell": ["/bin/bash", "-l"],
        "cpus": 1.0,
        "memory_bytes": 768 * _MEBIBYTE,
        "pids": 300,
    },
)


@transaction.atomic
def seed_demo() -> dict[str, str]:
    """Make what is not there yet. Return the passwords of the users that were made."""
    ensure_host(settings.HOST_NAME)
    # The database keeps the English words; pages show those of the reader (``common.words``).
    with override(None):
        team = Team.objects.filter(slug="demo").first() or create_team(
            actor=None, slug="demo", name=str(_TEAM_NAME), quota_values=_TEAM_QUOTA, member_quota_values=_MEMBER_QUOTA
        )
        templates = [{**values, "description": str(values["description"])} for values in _TEMPLATES]
    passwords = {}
    for username, full_name, role in _PEOPLE:
        user, password = ensure_user(username, full_name=full_name)
        if password is not None:
            passwords[username] = password
            set_role(actor=None, team=team, user=user, role=role)
    for values in templates:
        _ensure_template(team, values)
    return passwords


def _ensure_template(team: Team, values: dict[str, object]) -> None:
    values = {**values, "state": TemplateState.FAILED}
    template, is_new = LabTemplate.objects.get_or_create(slug=values.pop("slug"), defaults=values)
    if is_new:
        template.teams.add(team)
        build_template(actor=User.objects.filter(username="teacher").first(), template=template)
