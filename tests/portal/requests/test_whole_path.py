"""From a teacher's click to the engine that holds it, through real programs; and lab hours from a real lab."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.labs.models import Lab
from portal.requests.models import Grant
from portal.requests.services import approve, ask, end_due_grants
from portal.teams.pushes import push_members
from portal.usage.models import LabRun
from tests.engine.daemon import wait_until
from tests.portal.conftest import Cast
from tests.portal.programs import Programs, wait_for_jobs

pytestmark = [pytest.mark.requires_root, pytest.mark.django_db(transaction=True)]

MEBI = 2**20


def held(programs: Programs) -> Any:
    answer = programs.engine.request("GET", "/tenants/demo/ada")
    return answer.document["limits"]["memory"] if answer.status == 200 else None


def is_counted(lab: Lab) -> bool:
    return LabRun.objects.filter(lab_id=lab.pk, ended_at=None).exists()


def test_a_grant_is_held_by_the_engine_and_taken_back_at_its_end(programs: Programs, cast: Cast) -> None:
    cast.team.member_quota_values = {"memory": 256 * MEBI}
    cast.team.save()
    push_members(cast.team)
    wait_until(lambda: held(programs) == 256 * MEBI, what="the engine to hold 256 MiB")
    until = timezone.localdate() + timedelta(days=1)
    asked = ask(user=cast.ada, team=cast.team, resource="memory", amount=128 * MEBI, until=until, why="")

    approve(actor=cast.grace, quota_request=asked, amount=asked.amount, until=until)
    wait_until(lambda: held(programs) == 384 * MEBI, what="the engine to hold 384 MiB")

    Grant.objects.update(begins_at=timezone.now() - timedelta(days=2), ends_at=timezone.now())
    end_due_grants()
    wait_until(lambda: held(programs) == 256 * MEBI, what="the engine to hold 256 MiB")
    wait_for_jobs(programs)


def test_the_time_of_a_real_lab_is_counted_without_its_pauses(programs: Programs, school: Cast) -> None:
    lab = school.launch()
    wait_until(lambda: is_counted(lab), what="the lab's time to be counted")
    wait_for_jobs(programs)
    lab.refresh_from_db()
    container = f"/containers/{lab.container_id}"
    assert programs.engine.request("POST", f"{container}/pause").status == 204
    wait_until(lambda: not is_counted(lab), what="the lab's time to stand still")
    assert programs.engine.request("POST", f"{container}/unpause").status == 204
    wait_until(lambda: is_counted(lab), what="the lab's time to be counted")
    assert Lab.objects.get(pk=lab.pk).state == "running"
    assert programs.engine.request("POST", f"{container}/kill").status == 204
    wait_until(lambda: not is_counted(lab), what="the lab's time to stand still")
    assert LabRun.objects.filter(lab_id=lab.pk).count() == 2
