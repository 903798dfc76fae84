"""The agent's parts that need no engine."""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from requests import Response
from requests.exceptions import ConnectionError as EngineUnreachable

from engine.agent.command import parse_arguments, worker_arguments
from engine.agent.debian import list_packages, read_tar, stage_percent
from engine.agent.events import read_event
from engine.agent.failures import ActionFailed, explain, is_outage
from engine.agent.images import read_answer
from engine.agent.labs import parse_time_ns
from engine.agent.ledger import Admission, Ledger
from engine.agent.shell import make_root

SHORTAGE: dict[str, object] = {"resource": "cpus", "limit": 2.0, "used": 1.5, "requested": 1.0, "tenant": "demo"}


def answer(status: int, message: str, quota: dict[str, object] | None = None) -> APIError:
    response = Response()
    response.status_code = status
    response._content = json.dumps({"message": message, **({"quota": quota} if quota else {})}).encode()
    return APIError(message, response=response, explanation=message)


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (ActionFailed("program_missing", "no mmdebstrap"), "failed", "program_missing"),
        (EngineUnreachable(), "errored", "engine_unreachable"),
        (answer(404, "No such image: x:latest"), "failed", "image_missing"),
        (answer(400, 'exec: "x": executable file not found in $PATH'), "failed", "command_not_runnable"),
        (answer(400, "invalid memory"), "failed", "refused"),
        (answer(403, "cpus quota of team demo", SHORTAGE), "failed", "quota"),
        (answer(403, "the quota rules of team demo allow no push"), "failed", "refused"),
        (answer(409, "name is taken"), "failed", "conflict"),
        (answer(500, "mount: input/output error"), "errored", "bug"),
        (answer(503, "no supervisor"), "errored", "engine_unreachable"),
        (KeyError("lab"), "errored", "bug"),
    ],
)
def test_every_failure_is_named_as_refused_or_broken(error: Exception, state: str, kind: str) -> None:
    failure = explain(error)
    assert (failure.state, failure.kind) == (state, kind)
    assert failure.message


def test_what_was_short_goes_with_the_report() -> None:
    report = explain(answer(403, "cpus quota of team demo", SHORTAGE)).as_report()
    assert report["result"] == {"quota": SHORTAGE}
    assert "result" not in explain(answer(403, "no")).as_report()


def test_only_an_engine_that_is_away_is_asked_again() -> None:
    assert is_outage(EngineUnreachable())
    assert is_outage(answer(503, "no supervisor"))
    assert not is_outage(answer(500, "broken"))
    assert not is_outage(ActionFailed("refused", "no"))


def test_a_job_runs_once_and_is_reported_again_when_its_message_comes_twice() -> None:
    ledger = Ledger()
    assert ledger.admit(7, "lab:a") is Admission.RUN
    assert ledger.admit(7, "lab:a") is Admission.BUSY
    ledger.finish(7, {"state": "completed"})
    assert ledger.admit(7, "lab:a") == {"state": "completed"}


def test_a_job_that_was_overtaken_is_not_run_any_more() -> None:
    ledger = Ledger()
    ledger.admit(8, "lab:a")
    ledger.finish(8, {})
    assert ledger.admit(7, "lab:a") is Admission.STALE
    assert ledger.admit(7, "lab:b") is Admission.RUN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:00.5Z", 5 * 10**8),
        ("2026-11-21T09:25:47.320367422Z", 1795253147320367422),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_times_of_the_engine_are_read_to_the_nanosecond(text: str, expected: int) -> None:
    assert parse_time_ns(text) == expected


def test_the_shell_image_is_the_same_layer_each_time_and_holds_all_applets(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"ELF")
    root = make_root(busybox, ["sh", "ls", "busybox"])
    assert root == make_root(busybox, ["ls", "sh", "busybox"])
    with tarfile.open(fileobj=io.BytesIO(root)) as archive:
        assert archive.getmember("bin/sh").linkname == "/bin/busybox"
        assert archive.getmember("bin/busybox").isfile()
        assert archive.getmember("tmp").mode == 0o1777
        assert archive.getmember("bin/busybox").uid == 0


@pytest.mark.parametrize(
    ("line", "percent"),
    [
        ("I: running apt-get update...", 5),
        ("I: downloading packages with apt...", 15),
        ("I: creating tarball...", 90),
        ("I: success in 55.6 seconds", 99),
        ("I: automatically chosen mode: root", None),
    ],
)
def test_how_far_a_bootstrap_is(line: str, percent: int | None) -> None:
    assert stage_percent(line) == percent


def test_a_program_that_fails_never_ends_its_output_as_if_it_were_whole() -> None:
    script = "import sys; print('half'); print('I: creating tarball...\\nE: disk full', file=sys.stderr); sys.exit(1)"
    heard: list[tuple[str, int | None]] = []
    pieces = read_tar([sys.executable, "-c", script], lambda line, percent: heard.append((line, percent)))
    assert next(pieces) == b"half\n"
    with pytest.raises(ActionFailed, match="E: disk full"):
        next(pieces)
    assert heard == [("creating tarball...", 90)]


def test_a_given_up_import_ends_the_program_behind_it() -> None:
    pieces = read_tar([sys.executable, "-c", "while True: print('x' * 1000)"], lambda line, percent: None)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # an iterator by its type, a generator in fact


def test_an_error_inside_a_successful_answer_is_an_error() -> None:
    assert read_answer('{"status":"Downloading"}\n{"status":"sha256:ab"}\n') == "sha256:ab"
    with pytest.raises(ActionFailed, match="unexpected end"):
        read_answer('{"status":"Downloading"}\n{"error":"unexpected end"}\n')


def test_an_event_becomes_a_message() -> None:
    event: dict[str, Any] = {
        "Action": "die",
        "Actor": {"ID": "c1", "Attributes": {"atelier.lab": "uuid", "exitCode": "137"}},
        "timeNano": 5,
        "Atelier": {"Tenant": "demo/ada"},
    }
    assert read_event(event, oom=True) == {
        "action": "die",
        "lab": "uuid",
        "tenant": "demo/ada",
        "container_id": "c1",
        "exit_code": "137",
        "oom": True,
        "observed_at_ns": 5,
    }


def test_the_command_line_takes_the_portals_spelling_of_a_unix_socket() -> None:
    settings = parse_arguments(["--host", "local", "--broker", "unix:///r.sock", "--engine", "unix:///e.sock"])
    assert settings.broker == "redis+socket:///r.sock"
    assert "--queues=host.local" in worker_arguments(settings)


@pytest.mark.parametrize("name", ["-oDebug=1", "./own.deb", "?essential", "a,b", "a b", "a/unstable", "", "A"])
def test_a_package_is_named_plainly(name: str) -> None:
    with pytest.raises(ActionFailed, match="no name of a Debian package"):
        list_packages(["git", name])


def test_wanted_packages_come_beside_the_usual_ones_once() -> None:
    assert {"curl", "docker-compose"} <= set(list_packages(["docker-compose"]))
    assert list_packages(["curl"]) == list_packages([])
