"""How much of the quotas is taken, and whether something more fits. Reads; the decision itself is pure (``teams.quotas``)."""

from django.db.models import Count, Q, QuerySet, Sum

from portal.accounts.models import User
from portal.labs.lifecycle import ACTIVE
from portal.labs.models import Lab, LabTemplate
from portal.teams.models import Team
from portal.teams.quotas import Resources, Verdict, judge_both


def usage_of(labs: QuerySet[Lab]) -> Resources:
    """Add up what labs count for: one that is stopped takes its place, but nothing that runs."""
    active = Q(state__in=ACTIVE)
    sums = labs.order_by().aggregate(
        count=Count("pk"),
        sum_cpus=Sum("cpus", filter=active, default=0.0),
        sum_memory=Sum("memory_bytes", filter=active, default=0),
        sum_pids=Sum("pids", filter=active, default=0),
    )
    return Resources(labs=sums["count"], cpus=sums["sum_cpus"], memory_bytes=int(sums["sum_memory"]), pids=int(sums["sum_pids"]))


def team_usage(team: Team) -> Resources:
    return usage_of(Lab.objects.filter(team=team))


def member_usage(team: Team, owner: User) -> Resources:
    return usage_of(Lab.objects.filter(team=team, owner=owner))


def judge_request(*, owner: User, team: Team, request: Resources, but: Lab | None = None) -> Verdict:
    """Say whether ``request`` fits beside all labs of the team (leaving out ``but``, which is the one asking)."""
    labs = Lab.objects.filter(team=team)
    if but is not None:
        labs = labs.exclude(pk=but.pk)
    return judge_both(
        team_quota=team.quota,
        team_usage=usage_of(labs),
        member_quota=team.member_quota,
        member_usage=usage_of(labs.filter(owner=owner)),
        request=request,
    )


def launch_request(template: LabTemplate) -> Resources:
    """What one more lab of the template takes."""
    return template.resources + Resources(labs=1)


def start_request(lab: Lab) -> Resources:
    """What a lab that has its place already takes when it runs."""
    return Resources(cpus=lab.cpus, memory_bytes=lab.memory_bytes, pids=lab.pids)
