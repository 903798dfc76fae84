"""Writes teams and memberships. A role that is lost closes the sockets that it opened."""

from django.db import transaction

from portal.accounts.models import User
from portal.audit.services import record
from portal.common.live import send_access_changed
from portal.teams.models import Membership, Role, Team


@transaction.atomic
def set_role(*, actor: User | None, team: Team, user: User, role: Role) -> Membership:
    """Make ``user`` a member of ``team`` with ``role``, whatever they were before."""
    membership, _ = Membership.objects.update_or_create(team=team, user=user, defaults={"role": role})
    record(actor=actor, action="membership.set", subject=f"team:{team.slug}", user=user.username, role=role)
    send_access_changed([user.pk])
    return membership


@transaction.atomic
def remove_member(*, actor: User | None, team: Team, user: User) -> None:
    """End a membership; the user's labs of the team stay for its staff to deal with."""
    deleted, _ = Membership.objects.filter(team=team, user=user).delete()
    if deleted:
        record(actor=actor, action="membership.remove", subject=f"team:{team.slug}", user=user.username)
        send_access_changed([user.pk])
