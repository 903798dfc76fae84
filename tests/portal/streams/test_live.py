"""What a live page is sent."""

import time

import pytest
from asgiref.sync import sync_to_async

from portal.common.live import LIVE_PATH
from portal.jobs.models import Job, JobState
from portal.jobs.reports import Finish, Progress
from portal.jobs.services import finish_job, report_progress
from portal.labs.models import Lab, TemplateState
from portal.labs.outcomes import forget
from portal.labs.templates import build_template
from tests.portal.conftest import Cast
from tests.portal.streams.sockets import open_socket, receive_type

pytestmark = pytest.mark.django_db(transaction=True)


def claim(job: Job) -> None:
    report_progress(Progress(job_id=job.pk, attempt=1, sequence=1))


async def test_a_launch_in_another_window_appears(cast: Cast) -> None:
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        lab = await sync_to_async(cast.launch)()

        message = await receive_type(socket, "append")

        assert message["to"] in ("labs", "jobs")
        while message["to"] != "labs":
            message = await receive_type(socket, "append")
        assert f'id="lab-{lab.uuid}"' in message["html"]


async def test_a_change_of_state_replaces_the_header(cast: Cast) -> None:
    lab = await sync_to_async(cast.launch)()
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        await sync_to_async(claim)(await Job.objects.aget())

        message = await receive_type(socket, "replace")

        assert message["id"] == f"lab-header-{lab.uuid}"
        assert 'data-state="creating"' in message["html"]


@pytest.mark.parametrize("name", ["alan", "oscar"])
async def test_others_hear_nothing_of_it(cast: Cast, name: str) -> None:
    async with open_socket(LIVE_PATH, getattr(cast, name)) as socket:
        await sync_to_async(cast.launch)()
        assert await socket.receive_nothing(timeout=0.3)


@pytest.mark.parametrize("name", ["grace", "admin"])
async def test_staff_sees_it_on_the_page_of_the_team(cast: Cast, name: str) -> None:
    async with open_socket(LIVE_PATH, getattr(cast, name)) as socket:
        await sync_to_async(cast.launch)()
        messages = [await receive_type(socket, "append") for _ in range(2)]
        assert {message["to"] for message in messages} == {"jobs", "team-labs-demo"}


async def test_each_reader_is_addressed_in_their_language(cast: Cast) -> None:
    async with open_socket(LIVE_PATH, cast.ada, language="fr") as french, open_socket(LIVE_PATH, cast.ada) as english:
        lab = await sync_to_async(cast.launch)()
        texts = [(await receive_type(socket, "replace"))["html"] for socket in (french, english)]
    assert "Waiting" in texts[1]
    assert texts[0].replace("Waiting", "") == texts[0] or not _is_translated()
    assert str(lab.uuid) in texts[0]


def _is_translated() -> bool:
    from django.utils.translation import gettext, override

    with override("fr"):
        return gettext("Waiting") != "Waiting"


async def test_a_removed_lab_goes_from_all_pages(cast: Cast) -> None:
    lab = await sync_to_async(cast.launch)()
    lab_id = lab.uuid
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        await sync_to_async(forget)(lab)
        ids = {(await receive_type(socket, "remove"))["id"] for _ in range(2)}
    assert ids == {f"lab-{lab_id}", f"lab-header-{lab_id}"}


async def test_a_job_that_failed_is_told_in_a_toast_to_who_asked_for_it(cast: Cast) -> None:
    await sync_to_async(cast.launch)()
    job = await Job.objects.aget()
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        await sync_to_async(finish_job)(Finish(job_id=job.pk, state=JobState.FAILED, error_kind="image_missing"))
        toast = await receive_type(socket, "toast")
    assert toast == {"type": "toast", "level": "error", "text": "Shell: The image of this lab is not on the host yet."}


async def test_what_changed_between_the_page_and_its_socket_is_not_missed(cast: Cast) -> None:
    rendered_ms = time.time_ns() // 1_000_000
    lab = await sync_to_async(cast.launch)()
    async with open_socket(f"{LIVE_PATH}?since={rendered_ms}", cast.ada) as socket:
        assert (await receive_type(socket, "replace"))["id"] == f"lab-header-{lab.uuid}"
    async with open_socket(f"{LIVE_PATH}?since={rendered_ms + 10**6}", cast.ada) as socket:
        assert await socket.receive_nothing(timeout=0.2)


async def test_students_see_how_far_the_preparation_of_a_template_is(cast: Cast) -> None:
    await type(cast.template).objects.aupdate(state=TemplateState.FAILED)
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        job = await sync_to_async(build_template)(actor=cast.grace, template=cast.template)
        await receive_type(socket, "append")
        await sync_to_async(report_progress)(Progress(job_id=job.pk, attempt=1, sequence=1, percent=37))
        message = await receive_type(socket, "append")
    assert message["to"] == "offers"
    assert "37" in message["html"]


async def test_what_a_page_says_is_ignored(cast: Cast) -> None:
    async with open_socket(LIVE_PATH, cast.ada) as socket:
        await socket.send_to(text_data="{not json")
        await socket.send_to(bytes_data=b"\0")
        await sync_to_async(cast.launch)()
        assert await receive_type(socket, "replace")
    assert await Lab.objects.acount() == 1
