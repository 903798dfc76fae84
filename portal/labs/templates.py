"""Writes lab templates: have their image made, and take what became of it."""

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.audit.services import record
from portal.common.live import ADMINISTRATORS, member_group, send_changed
from portal.hosts.selectors import host_for_new_lab
from portal.jobs.models import Job, JobState
from portal.jobs.services import create_job
from portal.labs.models import LabTemplate, TemplateState
from portal.labs.refusals import NoHost, TemplateNotReady

_STATES = {
    JobState.COMPLETED: TemplateState.READY,
    JobState.FAILED: TemplateState.FAILED,
    JobState.ERRORED: TemplateState.FAILED,
}


@transaction.atomic
def build_template(*, actor: User | None, template: LabTemplate) -> Job:
    """Have the template's image made on the host. Raises NoHost; TemplateNotReady while that is under way already."""
    host = host_for_new_lab()
    if host is None:
        raise NoHost
    changed = (
        LabTemplate.objects.filter(pk=template.pk).exclude(state=TemplateState.BUILDING).update(state=TemplateState.BUILDING)
    )
    template.refresh_from_db()
    if not changed:
        raise TemplateNotReady(template)
    record(actor=actor, action="template.build", subject=template.object_key)
    tell_pages(template)
    return create_job(
        action=template.source,
        object_key=template.object_key,
        object_name=template.name,
        host=host,
        # Images of the administrators' tenant can be read by all.
        tenant="",
        parameters={"reference": template.image, "packages": template.packages},
        requested_by=actor,
        team=template.teams.first(),
    )


def template_job_changed(job: Job) -> None:
    """Show progress; at the end the template is ready or failed."""
    template = LabTemplate.objects.filter(slug=job.object_key.removeprefix("template:")).first()
    if template is None:
        return
    state = _STATES.get(JobState(job.state))
    if state is not None:
        LabTemplate.objects.filter(pk=template.pk, state=TemplateState.BUILDING).update(state=state)
    tell_pages(template)


def tell_pages(template: LabTemplate) -> None:
    """Say to all who may see the template that it looks different now."""
    LabTemplate.objects.filter(pk=template.pk).update(changed_at=timezone.now())
    teams = template.teams.values_list("pk", flat=True)
    send_changed([ADMINISTRATORS, *(member_group(team_id) for team_id in teams)], kind="template", key=template.slug)
