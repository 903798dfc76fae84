"""Writes teams, memberships and roles. A role that is lost closes the sockets that it opened; hosts are told what holds now."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from django.db import transaction

from portal.accounts.models import User
from portal.audit.services import record
from portal.common.live import ADMINISTRATORS, member_group, send_access_changed, send_changed
from portal.teams.models import Membership, QuotaPreset, Role, Team
from portal.teams.pushes import forget_tenants, push_member, push_members, push_team, tell_pages, tenant_name
from portal.teams.quotas import INHERIT, LEAST, Changes, apply_changes
from portal.teams.refusals import BeyondTeam, TooLittle
from portal.teams.rules import apply_rule_changes

Rules = Mapping[str, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})


@transaction.atomic
def create_team(*, actor: User | None, slug: str, name: str, **values: Any) -> Team:
    """Make a team; ``values`` are further fields of it, such as its quota."""
    team = Team.objects.create(slug=slug, name=name, **values)
    note_team_created(actor=actor, team=team)
    return team


@transaction.atomic
def set_role(*, actor: User | None, team: Team, user: User, role: Role) -> Membership:
    """Make ``user`` a member of ``team`` with ``role``, whatever they were before."""
    before = Membership.objects.filter(team=team, user=user).values_list("role", flat=True).first()
    membership, _ = Membership.objects.update_or_create(team=team, user=user, defaults={"role": role})
    note_role(actor=actor, membership=membership, before=before)
    return membership


@transaction.atomic
def remove_member(*, actor: User | None, team: Team, user: User) -> None:
    """End a membership; the user's labs of the team stay for its staff to deal with."""
    membership = Membership.objects.filter(team=team, user=user).first()
    if membership is not None:
        note_removal(actor=actor, membership=membership)
        membership.delete()


@transaction.atomic
def set_quota(
    *, actor: User | None, team: Team, user: User | None = None, values: Changes = NOTHING, rules: Rules = NOTHING
) -> None:
    """Change what is named of the team's own quota and rules, or of a member's; all else stays.

    For a member INHERIT takes the own value away. Raises QuotaRefusal; Membership.DoesNotExist for somebody who is no member.
    """
    _lock(team)
    _check(actor, team, values, is_share=user is not None)
    if user is None:
        _change(team, actor, values, rules, ("quota_values", "rules"), subject=f"team:{team.slug}")
        push_team(team)
        _tell_pages(team)
    else:
        membership = Membership.objects.select_for_update().select_related("team", "user").get(team=team, user=user)
        subject = f"tenant:{tenant_name(team, user.username)}"
        _change(membership, actor, values, rules, ("quota_values", "rules"), subject=subject)
        push_member(membership)
        _tell_pages(team, user.username)


@transaction.atomic
def set_quota_of_members(*, actor: User | None, team: Team, memberships: Iterable[Membership], values: Changes) -> None:
    """Change the own quotas of several members, of all or of none. Raises QuotaRefusal."""
    for membership in memberships:
        set_quota(actor=actor, team=team, user=membership.user, values=values)


@transaction.atomic
def set_member_default(*, actor: User | None, team: Team, values: Changes = NOTHING, rules: Rules = NOTHING) -> None:
    """Change what holds for each member who has no own value. Raises QuotaRefusal."""
    _lock(team)
    _check(actor, team, values, is_share=True)
    _change(team, actor, values, rules, ("member_quota_values", "member_rules"), subject=f"members:{team.slug}")
    push_members(team)
    _tell_pages(team, "")


@transaction.atomic
def save_preset(*, actor: User | None, name: str, values: Mapping[str, float]) -> QuotaPreset:
    """Keep values under a name, in place of those that it had."""
    preset, _is_new = QuotaPreset.objects.update_or_create(name=name, defaults={"values": dict(values)})
    record(actor=actor, action="preset.save", subject=f"preset:{name}", after=dict(values))
    return preset


def _lock(team: Team) -> None:
    """Let no other change of the team's quotas begin until this one is done, and read what the last one wrote."""
    Team.objects.select_for_update().get(pk=team.pk)
    team.refresh_from_db()


def _check(actor: User | None, team: Team, values: Changes, *, is_share: bool) -> None:
    amounts = {name: value for name, value in values.items() if isinstance(value, int | float)}
    for name, amount in amounts.items():
        if amount < LEAST.get(name, 0):
            raise TooLittle(name, amount, LEAST.get(name, 0))
        limit = team.quota.limit(name)
        if is_share and actor is not None and not actor.is_administrator and limit is not None and amount > limit:
            raise BeyondTeam(name, amount, limit)


def _change(
    row: Team | Membership, actor: User | None, values: Changes, rules: Rules, fields: tuple[str, str], *, subject: str
) -> None:
    """Write both, and record what is different now; nothing is recorded of a change to what was there."""
    for field, changes, action in zip(fields, (values, rules), ("quota.set", "rules.set"), strict=True):
        before = getattr(row, field)
        after = apply_changes(before, changes) if action == "quota.set" else apply_rule_changes(before, changes)
        if after == before:
            continue
        setattr(row, field, after)
        record(actor=actor, action=action, subject=subject, **_difference(before, after))
    row.save(update_fields=fields)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    changed = [name for name in {**before, **after} if before.get(name, INHERIT) != after.get(name, INHERIT)]
    return {
        "before": {name: before[name] for name in changed if name in before},
        "after": {name: after[name] for name in changed if name in after},
    }


def _tell_pages(team: Team, username: str | None = None) -> None:
    """Also of what no host is told: labs and hours. The row of the default is named by the team with a slash."""
    send_changed([ADMINISTRATORS, member_group(team.pk)], kind="quota", key=team.slug)
    tell_pages(tenant_name(team) if username is None else f"{team.slug}/{username}")


def note_team_created(*, actor: User | None, team: Team) -> None:
    """Record a new team and tell hosts its quota."""
    after = {"quota": team.quota_values, "member_quota": team.member_quota_values}
    record(actor=actor, action="team.create", subject=f"team:{team.slug}", after=after)
    push_team(team)


@transaction.atomic
def note_team_deletion(*, actor: User | None, team: Team) -> None:
    """Record that a team is about to be deleted; its members lose what it gave them, and hosts forget it."""
    usernames = list(team.memberships.values_list("user__username", flat=True))
    before = {"quota": team.quota_values, "member_quota": team.member_quota_values, "members": usernames}
    record(actor=actor, action="team.remove", subject=f"team:{team.slug}", before=before)
    send_access_changed(list(team.memberships.values_list("user_id", flat=True)))
    forget_tenants([tenant_name(team), *(tenant_name(team, username) for username in usernames)])


def note_role(*, actor: User | None, membership: Membership, before: str | None) -> None:
    """Record a membership that was written (``before``: its former role, None for a new one) and make it hold everywhere."""
    if before != membership.role:
        after = {"role": str(membership.role)}
        _record(actor, "membership.set", membership, before={"role": before} if before else None, after=after)
    send_access_changed([membership.user_id])
    push_member(membership)


def note_removal(*, actor: User | None, membership: Membership) -> None:
    """Record that a membership is about to end and take what it gave."""
    before = {"role": str(membership.role), "quota": membership.quota_values, "rules": membership.rules}
    _record(actor, "membership.remove", membership, before=before)
    send_access_changed([membership.user_id])
    forget_tenants([tenant_name(membership.team, membership.user.username)])


def _record(actor: User | None, action: str, membership: Membership, *, before: Any = None, after: Any = None) -> None:
    subject = f"team:{membership.team.slug}"
    record(actor=actor, action=action, subject=subject, before=before, after=after, user=membership.user.username)
