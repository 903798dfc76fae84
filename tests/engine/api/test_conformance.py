"""What clients may count on, held against the engine and, where it is installed, dockerd: each case says one outcome for both.

Outcomes are normalised: texts of errors are each engine's own, and dockerd's older versions answer 500 to what is plainly a wrong
request. Differences that are kept on purpose are listed in engine/README.md and have no case here.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.engine.api.conformance_cases import COMMANDS, CREATES, EXECS, REQUESTS, V
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import BOTH, Dockerd, serving

pytestmark = pytest.mark.requires_root


@pytest.fixture(scope="module", params=BOTH)
def server(request: pytest.FixtureRequest) -> Iterator[EngineDaemon]:
    """Each of both, with the image busybox."""
    with serving(request.param) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def lab(server: EngineDaemon) -> EngineDaemon:
    """The server with a running container ``lab`` and one that has ended with 3, ``done``."""
    server.run("sleep", "600", name="lab", Labels={"k": "v"})
    server.run("sh", "-c", "echo out; echo err >&2; exit 3", name="done", Labels={"k": "w"})
    server.wait("done")
    server.create("true", name="fresh")
    return server


@pytest.fixture
def clean(server: EngineDaemon) -> Iterator[EngineDaemon]:
    """The server; what a test makes is removed, but for the containers of ``lab``."""
    before = {one["Id"] for one in server.request("GET", "/containers/json?all=1").document}
    yield server
    for one in server.request("GET", "/containers/json?all=1").document:
        if one["Id"] not in before:
            server.request("DELETE", f"/containers/{one['Id']}?force=1")


def outcome(status: int) -> int | str:
    """Older versions of dockerd answer 500 where newer ones and this engine answer 400."""
    return "refused" if status in (400, 500) else status


@pytest.mark.parametrize(("method", "path", "expected"), REQUESTS, ids=[f"{method} {path}" for method, path, _ in REQUESTS])
def test_a_request_without_body(lab: EngineDaemon, method: str, path: str, expected: int | str) -> None:
    if path.endswith("attach?stream=0") and isinstance(lab, Dockerd):
        pytest.skip("dockerd answers an attach to nothing with an empty stream")
    answer = lab.request(method, path, headers={"Content-Type": ""})
    assert outcome(answer.status) == expected, answer.body
    if answer.status >= 400 and answer.headers.get("Content-Type", "").startswith("application/json"):
        assert answer.message


@pytest.mark.parametrize(("body", "expected"), CREATES, ids=[body for body, _ in CREATES])
def test_a_request_to_create(clean: EngineDaemon, body: str, expected: int | str) -> None:
    answer = clean.request("POST", f"{V}/containers/create", body.encode())
    assert outcome(answer.status) == expected, answer.body
    assert "Id" in answer.document if answer.status == 201 else answer.message


def test_bodies_are_json_by_their_header(server: EngineDaemon) -> None:
    body, headers = b'{"Image":"busybox"}', {"Content-Type": "text/plain"}
    assert server.request("POST", f"{V}/containers/create", body, headers=headers).status == 400


def test_an_image_of_another_platform_is_not_found(clean: EngineDaemon) -> None:
    answer = clean.request("POST", f"{V}/containers/create?platform=linux/riscv64", {"Image": "busybox"})
    assert (answer.status, "does not match the specified platform" in answer.message) == (404, True)


@pytest.mark.parametrize(("body", "expected"), EXECS, ids=[body for body, _ in EXECS])
def test_a_request_for_an_exec(lab: EngineDaemon, body: str, expected: int | str) -> None:
    assert outcome(lab.request("POST", f"{V}/containers/lab/exec", body.encode()).status) == expected


def test_an_exec_has_a_life(lab: EngineDaemon) -> None:
    exec_id = lab.request("POST", f"{V}/containers/lab/exec", {"Cmd": ["sh", "-c", "exit 4"]}).document["Id"]
    fresh = lab.request("GET", f"{V}/exec/{exec_id}/json").document
    assert (fresh["Running"], fresh["ExitCode"], fresh["ProcessConfig"]["arguments"]) == (False, None, ["-c", "exit 4"])
    assert lab.request("POST", f"{V}/exec/{exec_id}/start", {"Detach": True}).status == 200
    assert lab.request("POST", f"{V}/exec/{exec_id}/start", {"Detach": True}).status == 409


@pytest.mark.parametrize(("command", "codes", "said", "complaint"), COMMANDS, ids=[case[0] for case in COMMANDS])
def test_a_command(lab: EngineDaemon, command: str, codes: tuple[int, ...], said: str | None, complaint: str) -> None:
    done = lab.shell(f"$D {command}")
    assert done.returncode in codes, done
    assert said is None or " ".join(done.stdout.decode().split()) == said
    assert complaint.lower() in done.stderr.decode().lower()


def test_input_and_output_of_50_megabytes_pass(server: EngineDaemon) -> None:
    done = server.shell("head -c 50000000 /dev/zero | $D run --rm -i busybox sh -c 'tee /dev/stderr' 2>&1 >/dev/null | wc -c")
    assert done.stdout == b"50000000\n"


def test_a_slow_reader_gets_everything(server: EngineDaemon) -> None:
    done = server.shell("$D run --rm busybox head -c 5000000 /dev/zero | (sleep 0.5; wc -c)")
    assert done.stdout == b"5000000\n"


def test_a_reader_that_leaves_ends_the_command(server: EngineDaemon) -> None:
    assert server.shell("$D run --rm busybox sh -c 'yes | head -n 500000' | head -n 1").stdout == b"y\n"


def test_very_short_execs_never_fail(lab: EngineDaemon) -> None:
    def run(number: int) -> tuple[int, int]:
        wanted = {"Cmd": ["sh", "-c", f"exit {number % 7}"], "AttachStdout": True}
        exec_id = lab.request("POST", f"{V}/containers/lab/exec", wanted).document["Id"]
        lab.request("POST", f"{V}/exec/{exec_id}/start", {})
        return int(lab.request("GET", f"{V}/exec/{exec_id}/json").document["ExitCode"]), number % 7

    count = 20 if isinstance(lab, Dockerd) else 200
    with ThreadPoolExecutor(4) as pool:
        assert [pair for pair in pool.map(run, range(count)) if pair[0] != pair[1]] == []


def test_events_tell_a_life(clean: EngineDaemon) -> None:
    began = time.time()
    script = "$D run --name e1 -l k=v busybox true; $D rename e1 e2; $D start e2; $D wait e2; $D rm e2"
    assert clean.shell(script).returncode == 0
    query = (
        f"since={began:.9f}&until={time.time() + 0.1:.9f}&filters={quote(json.dumps({'type': ['container'], 'label': ['k=v']}))}"
    )
    events = [json.loads(line) for line in clean.request("GET", f"{V}/events?{query}").body.splitlines()]
    assert [(event["Action"], event["Actor"]["Attributes"]["name"]) for event in events] == [
        *(("create", "e1"), ("attach", "e1"), ("start", "e1"), ("die", "e1"), ("rename", "e2")),
        *(("start", "e2"), ("die", "e2"), ("destroy", "e2")),
    ]


def test_events_tell_of_images_by_id(server: EngineDaemon) -> None:
    began = time.time()
    assert server.shell("$D tag busybox docker.io/library/ev:1 && $D tag ev:1 ev:2 && $D rmi ev:1 ev:2").returncode == 0
    query = f"since={began:.9f}&until={time.time() + 0.1:.9f}&filters={quote(json.dumps({'type': ['image']}))}"
    events = [json.loads(line) for line in server.request("GET", f"{V}/events?{query}").body.splitlines()]
    image_id = server.request("GET", f"{V}/images/busybox/json").document["Id"]
    assert [(event["Action"], event["Actor"]["Attributes"]["name"]) for event in events] == [
        *(("tag", "ev:1"), ("tag", "ev:2"), ("untag", image_id), ("untag", image_id)),
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("ref*", ["ref:1"]), ("ref", ["ref:1"]), ("re?/b*", ["ref/bar:2"]), ("ref/bar", ["ref/bar:2"]), ("*:2", []), ("ref:2", [])],
)
def test_references_are_matched_name_by_name(server: EngineDaemon, pattern: str, found: list[str]) -> None:
    assert server.shell("$D tag busybox ref:1 && $D tag busybox ref/bar:2").returncode == 0
    filters = quote(json.dumps({"reference": [pattern]}))
    listed = [tag for one in server.request("GET", f"{V}/images/json?filters={filters}").document for tag in one["RepoTags"]]
    server.shell("$D rmi ref:1 ref/bar:2")
    assert listed == found
