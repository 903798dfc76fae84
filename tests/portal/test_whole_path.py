"""From the click to the shell and back, through a real Redis, worker, agent and engine."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings

from portal.hosts.models import Host
from portal.jobs.models import Job, JobState
from portal.jobs.services import create_job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from portal.labs.services import launch_lab, remove_lab, start_lab, stop_lab
from portal.teams.services import remove_member
from tests.engine.daemon import wait_until
from tests.portal.conftest import Cast
from tests.portal.programs import Programs, wait_for_jobs
from tests.portal.streams.sockets import close_code, open_socket, receive_type

pytestmark = [pytest.mark.requires_root, pytest.mark.django_db(transaction=True)]


def lab_of(lab: Lab) -> Lab:
    return Lab.objects.select_related("owner", "team", "template", "host").get(pk=lab.pk)


def wait_for_state(lab: Lab, state: LabState) -> Lab:
    wait_until(
        lambda: lab_of(lab).state == state, f"lab to be {state}", hint=lambda: f"{lab_of(lab).state} {lab_of(lab).message}"
    )
    return lab_of(lab)


async def read_until(socket: WebsocketCommunicator, wanted: bytes) -> bytes:
    """Return the terminal's output up to ``wanted``, saying what was shown as a browser does."""
    output = b""
    while wanted not in output:
        message = await socket.receive_output(timeout=20)
        assert message["type"] == "websocket.send", (message, output)
        if data := message.get("bytes"):
            output += data
        elif (told := json.loads(message["text"]))["type"] == "mark":
            await socket.send_to(text_data=json.dumps({"type": "shown", "mark": told["mark"]}))
    return output


def launch(cast: Cast) -> Lab:
    return launch_lab(owner=cast.ada, team=cast.team, template=cast.template)


async def test_a_student_gets_a_shell_and_finds_it_again_after_a_reload(school: Cast) -> None:
    lab = await sync_to_async(launch)(school)
    path = f"/ws/labs/{lab.uuid}/terminal/"

    async with open_socket(path, school.ada) as socket:
        await socket.send_to(text_data='{"type": "resize", "columns": 111, "rows": 22}')
        assert await receive_type(socket, "ready") == {"type": "ready", "replayed": False}
        await read_until(socket, b"# ")
        await socket.send_to(bytes_data=b"echo $((6*7)) $(stty size); marker=here\n")
        assert b"\r\n42 22 111\r\n" in await read_until(socket, b"111\r\n")

    async with open_socket(path, school.ada) as socket, open_socket(path, school.grace) as teacher:
        assert await receive_type(socket, "ready") == {"type": "ready", "replayed": True}
        replay = await read_until(socket, b"111\r\n")
        assert b"\x1b[6n" not in replay
        await receive_type(teacher, "ready")
        await socket.send_to(bytes_data=b"echo still-$marker\n")
        await read_until(socket, b"\r\nstill-here\r\n")
        await read_until(teacher, b"\r\nstill-here\r\n")


async def test_the_end_of_a_shell_is_told_and_the_next_socket_gets_a_new_one(school: Cast) -> None:
    lab = await sync_to_async(launch)(school)
    path = f"/ws/labs/{lab.uuid}/terminal/"
    async with open_socket(path, school.ada) as socket:
        await read_until(socket, b"# ")
        await socket.send_to(bytes_data=b"exit 3\n")
        assert await receive_type_after_output(socket) == {"type": "exit", "code": 3}
    async with open_socket(path, school.ada) as socket:
        assert await receive_type(socket, "ready") == {"type": "ready", "replayed": False}


async def receive_type_after_output(socket: WebsocketCommunicator) -> dict[str, Any]:
    while True:
        message = await socket.receive_output(timeout=20)
        if text := message.get("text"):
            return dict(json.loads(text))


async def test_many_sockets_at_once_share_one_shell(school: Cast) -> None:
    lab = await sync_to_async(launch)(school)
    path = f"/ws/labs/{lab.uuid}/terminal/"
    async with (
        open_socket(path, school.ada) as one,
        open_socket(path, school.ada) as two,
        open_socket(path, school.grace) as three,
    ):
        kinds = sorted([(await receive_type(socket, "ready"))["replayed"] for socket in (one, two, three)])
        await one.send_to(bytes_data=b"echo pid-$$-\n")
        outputs = [await read_until(socket, b"\r\npid-") for socket in (one, two, three)]
    assert kinds == [False, True, True]
    assert all(outputs)


async def test_a_browser_that_shows_nothing_stops_its_own_stream_only(school: Cast) -> None:
    lab = await sync_to_async(launch)(school)
    path = f"/ws/labs/{lab.uuid}/terminal/"
    async with open_socket(path, school.ada) as slow, open_socket(path, school.grace) as quick:
        await receive_type(slow, "ready")
        await receive_type(quick, "ready")
        await slow.send_to(bytes_data=b"head -c 600000 /dev/zero | tr '\\0' x; echo; echo all-through\n")
        for _ in range(10):  # boasting is of no use
            await slow.send_to(text_data='{"type": "shown", "bytes": 1000000, "mark": "guess"}')
        await read_until(quick, b"\r\nall-through\r\n")
        received = 0
        while not await slow.receive_nothing(timeout=0.5):
            received += len((await slow.receive_output()).get("bytes") or b"")
    assert 256 * 1024 <= received <= 512 * 1024


async def test_the_log_comes_with_times_and_ends_with_the_container(school: Cast, programs: Programs) -> None:
    lab = await sync_to_async(launch)(school)
    async with open_socket(f"/ws/labs/{lab.uuid}/log/?timestamps=1&tail=10", school.ada) as socket:
        (line,) = (await receive_type(socket, "lines"))["lines"]
        assert (line["stream"], line["text"]) == ("stdout", "up")
        assert line["time"].startswith("20")
        running = await sync_to_async(wait_for_state)(lab, LabState.RUNNING)
        await sync_to_async(stop_lab)(actor=school.ada, lab=running)
        assert await receive_type(socket, "end") == {"type": "end"}
    await sync_to_async(wait_for_state)(lab, LabState.STOPPED)


async def test_a_member_who_is_put_out_is_cut_off_in_the_middle(school: Cast) -> None:
    lab = await sync_to_async(launch)(school)
    async with open_socket(f"/ws/labs/{lab.uuid}/terminal/", school.ada) as socket:
        await read_until(socket, b"# ")
        await sync_to_async(remove_member)(actor=school.grace, team=school.team, user=school.ada)
        assert await close_code(socket) == 4404


def test_a_lab_is_stopped_started_again_and_removed(school: Cast, programs: Programs) -> None:
    lab = wait_for_state(launch(school), LabState.RUNNING)
    container_id = lab.container_id
    stop_lab(actor=school.ada, lab=lab)
    lab = wait_for_state(lab, LabState.STOPPED)
    start_lab(actor=school.grace, lab=lab)
    lab = wait_for_state(lab, LabState.RUNNING)
    assert lab.container_id == container_id

    remove_lab(actor=school.ada, lab=lab)
    wait_for_jobs(programs)

    assert not Lab.objects.exists()
    assert programs.engine.request("GET", "/containers/json?all=1").document == []


def test_the_container_belongs_to_the_owners_tenant_and_has_the_templates_limits(school: Cast, programs: Programs) -> None:
    lab = wait_for_state(launch(school), LabState.RUNNING)

    found = programs.engine.request("GET", f"/containers/{lab.container_id}/json", tenant="demo/ada").document

    limits = found["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"], limits["PidsLimit"]) == (500_000_000, 2**27, 100)
    assert found["Config"]["Labels"]["atelier.lab"] == str(lab.uuid)
    assert programs.engine.request("GET", f"/containers/{lab.container_id}/json", tenant="demo/alan").status == 404


def test_what_happens_to_a_container_behind_the_portals_back_is_seen(school: Cast, programs: Programs) -> None:
    lab = wait_for_state(launch(school), LabState.RUNNING)
    programs.engine.request("POST", f"/containers/{lab.container_id}/kill")
    wait_for_state(lab, LabState.STOPPED)
    programs.engine.request("POST", f"/containers/{lab.container_id}/start")
    wait_for_state(lab, LabState.RUNNING)
    programs.engine.request("DELETE", f"/containers/{lab.container_id}?force=1")
    lab = wait_for_state(lab, LabState.STOPPED)
    start_lab(actor=school.ada, lab=lab)
    wait_for_state(lab, LabState.RUNNING)


def test_what_happens_while_the_agent_is_dead_is_seen_by_the_next_one(school: Cast, programs: Programs) -> None:
    lab = wait_for_state(launch(school), LabState.RUNNING)
    programs.kill("agent")
    programs.engine.request("POST", f"/containers/{lab.container_id}/kill")
    programs.start("agent")
    wait_for_state(lab, LabState.STOPPED)


def test_a_job_sent_while_the_agent_is_dead_is_done_by_the_next_one(school: Cast, programs: Programs) -> None:
    programs.kill("agent")
    lab = launch(school)
    programs.start("agent")
    wait_for_state(lab, LabState.RUNNING)


def test_a_lab_without_its_image_fails_with_the_reason(school: Cast, programs: Programs) -> None:
    type(school.template).objects.update(image="atelier/missing:1")
    school.template.refresh_from_db()

    lab = wait_for_state(launch(school), LabState.FAILED)

    assert lab.error_kind == "image_missing"
    assert "no such image" in lab.message.lower()
    assert Job.objects.first() is not None


def test_a_message_delivered_twice_makes_one_container(school: Cast, programs: Programs) -> None:
    lab = wait_for_state(launch(school), LabState.RUNNING)
    job = Job.objects.get(action="lab.start")
    from celery import current_app

    for host_restart in (False, True):
        if host_restart:
            programs.kill("agent")
            programs.start("agent")
        current_app.send_task(
            "engine.run",
            kwargs={
                "job_id": job.pk,
                "attempt": 2,
                "action": job.action,
                "object_key": job.object_key,
                "tenant": job.tenant,
                "parameters": job.parameters,
            },
            queue="host.local",
        )
    # A job of another object behind them tells when they are through.
    create_job(
        action="image.import_shell",
        object_key="template:probe",
        object_name="probe",
        host=Host.objects.get(),
        tenant="",
        parameters={"reference": "atelier/probe:1"},
    )
    wait_for_jobs(programs)
    assert len(programs.engine.request("GET", "/containers/json?all=1").document) == 1
    assert lab_of(lab).state == LabState.RUNNING
    assert settings.HOST_NAME == "local"


def test_an_engine_that_is_away_makes_the_job_errored_in_plain_words(programs: Programs, cast: Cast) -> None:
    programs.engine.stop()
    lab = launch(cast)
    lab = wait_for_state(lab, LabState.FAILED)
    assert lab.error_kind == "engine_unreachable"
    assert Job.objects.get().state == JobState.ERRORED
    programs.engine.start()
