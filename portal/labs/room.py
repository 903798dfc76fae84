"""How much of the quotas is taken, as far as the portal counts it, and whether something more fits.

The engine counts processors, memory and processes of all that runs, whichever way it was started. Here count labs and lab hours,
and a lab is refused that is larger than the whole quota. Reads; the decision itself is pure (``teams.quotas``).
"""

from portal.accounts.models import User
from portal.labs.models import Lab, LabTemplate
from portal.teams.models import Team
from portal.teams.providers import hours_used
from portal.teams.quotas import Amounts, Verdict, judge_both
from portal.teams.selectors import effective_quota

# What a start asks of the week's lab hours: enough to be refused where none is left.
_HOURS_OF_A_START = 1 / 60


def team_usage(team: Team) -> Amounts:
    return {"labs": count_labs(team, None), "hours": hours_used(team, None)}


def member_usage(team: Team, owner: User) -> Amounts:
    return {"labs": count_labs(team, owner), "hours": hours_used(team, owner)}


def count_labs(team: Team, owner: User | None) -> int:
    """Count the labs of the member, or of the whole team where the owner is None."""
    labs = Lab.objects.filter(team=team)
    return labs.count() if owner is None else labs.filter(owner=owner).count()


def judge_request(*, owner: User, team: Team, request: Amounts) -> Verdict:
    """Say whether ``request`` fits beside all labs of the team."""
    return judge_both(
        team_quota=effective_quota(team, None),
        team_usage=team_usage(team),
        member_quota=effective_quota(team, owner),
        member_usage=member_usage(team, owner),
        request=request,
    )


def launch_request(template: LabTemplate) -> Amounts:
    """What one more lab of the template takes."""
    return {**template.resources, "labs": 1, "hours": _HOURS_OF_A_START}


def start_request(lab: Lab) -> Amounts:
    """What a lab that has its place already takes when it runs."""
    return {"cpus": lab.cpus, "memory": lab.memory_bytes, "pids": lab.pids, "hours": _HOURS_OF_A_START}
