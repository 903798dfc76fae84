"""What a browser is told through the real web server, which sends not all that an application may say."""

import asyncio

import aiohttp
import pytest
from django.conf import settings
from django.test import Client

from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from tests.portal.conftest import Cast
from tests.portal.programs import Programs
from tests.portal.test_whole_path import launch, wait_for_state

pytestmark = [pytest.mark.requires_root, pytest.mark.django_db(transaction=True)]


def test_daphne_tells_an_open_terminal_to_come_again_when_the_engine_dies(school: Cast, programs: Programs) -> None:
    """Through a real server: it sends no close codes but 1000 and 3000 to 4999, and a browser acts on what it gets."""
    programs.start_web()
    lab = wait_for_state(launch(school), LabState.RUNNING)
    try:
        assert asyncio.run(type_across_a_death(programs, lab, school.client(school.ada))) == 4503
    finally:
        programs.kill("web")


async def type_across_a_death(programs: Programs, lab: Lab, browser: Client) -> int | None:
    """Type into the lab's terminal, kill the engine, and type into the same shell again. Return the close code between."""
    origin = f"http://127.0.0.1:{programs.port}"
    cookies = {settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value}
    async with aiohttp.ClientSession(cookies=cookies, headers={"Origin": origin}) as session:
        address = f"{origin}/ws/labs/{lab.uuid}/terminal/"
        async with session.ws_connect(address) as terminal:
            await read_frames_until(terminal, b"# ")
            await terminal.send_bytes(b"marker=kept; echo $((6*7)).\n")
            await read_frames_until(terminal, b"42.")
            programs.engine.kill()
            while (await terminal.receive(timeout=20)).type != aiohttp.WSMsgType.CLOSE:
                pass
            code = terminal.close_code
        programs.engine.start()
        async with session.ws_connect(address) as terminal:
            await terminal.send_bytes(b"echo $marker $((40+4)).\n")
            await read_frames_until(terminal, b"kept 44.")
    return code


async def read_frames_until(terminal: aiohttp.ClientWebSocketResponse, wanted: bytes) -> None:
    output = b""
    while wanted not in output:
        message = await terminal.receive(timeout=20)
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), (message, output)
        if message.type == aiohttp.WSMsgType.BINARY:
            output += message.data
