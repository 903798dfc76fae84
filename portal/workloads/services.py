"""What people ask of containers, images, volumes and networks: each becomes a job that acts as the owner's tenant."""

import hashlib

from django.db import transaction

from portal.accounts.models import User
from portal.audit.services import record
from portal.hosts.selectors import host_for_new_lab
from portal.jobs.models import UNFINISHED, Job
from portal.jobs.services import create_job
from portal.labs.refusals import NoHost
from portal.teams.tenants import Place
from portal.workloads.kinds import Kind


@transaction.atomic
def ask(*, actor: User, place: Place, kind: Kind, verb: str, object_id: str, object_name: str) -> Job:
    """Have ``verb`` done to one object; what is asked for already is not asked twice. Raises NoHost."""
    host = host_for_new_lab()
    if host is None:
        raise NoHost
    action, object_key = f"{kind.noun}.{verb}", object_key_of(kind, place.tenant, object_id)
    asked = Job.objects.filter(object_key=object_key, action=action, state__in=UNFINISHED).first()
    if asked is not None:
        return asked
    record(actor=actor, action=action, subject=object_key, name=object_name, id=object_id)
    return create_job(
        action=action,
        object_key=object_key,
        object_name=object_name,
        host=host,
        tenant=place.tenant,
        parameters={"id": object_id},
        requested_by=actor,
        team=place.team,
    )


def object_key_of(kind: Kind, tenant: str, object_id: str) -> str:
    """Name an object of a tenant in as many characters as there is room for, whatever its own name is."""
    digest = hashlib.sha256(object_id.encode()).hexdigest()[:32]
    return f"{kind.noun}:{tenant}:{digest}"
