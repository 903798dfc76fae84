"""Reads jobs, and only those the asking user may see."""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import User
from portal.jobs.models import UNFINISHED, Job, JobState
from portal.teams.models import STAFF_ROLES


def visible_jobs(user: User) -> QuerySet[Job]:
    """Own jobs, those of teams in which the user is teacher or assistant, and all for an administrator.

    Each knows ``is_object_gone``: whether its lab was removed.
    """
    removal = Job.objects.filter(object_key=OuterRef("object_key"), action="lab.remove", state=JobState.COMPLETED)
    jobs = Job.objects.select_related("requested_by", "host", "team").annotate(is_object_gone=Exists(removal))
    if user.is_administrator:
        return jobs
    staffed = user.memberships.filter(role__in=STAFF_ROLES).values("team_id")
    return jobs.filter(Q(requested_by=user) | Q(team_id__in=staffed))


def get_job_for(user: User, job_id: int) -> Job:
    """Return the job, or raise Http404 for everybody it does not concern."""
    return get_object_or_404(visible_jobs(user), pk=job_id)


def latest_job(object_key: str) -> Job | None:
    return Job.objects.filter(object_key=object_key).order_by("-pk").first()


def has_unfinished_job(object_key: str) -> bool:
    return Job.objects.filter(object_key=object_key, state__in=UNFINISHED).exists()
