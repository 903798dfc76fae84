"""Logs through the API: options, rotation, and every way of choosing a part of one."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.daemon import Answer, EngineDaemon, frames, wait_until

pytestmark = pytest.mark.requires_root
V = "/v1.47"
SCRIPT = 'for i in 1 2 3; do echo "out $i"; sleep 0.15; echo "err $i" >&2; sleep 0.15; done'


def log_config(driver: str = "json-file", **options: str) -> dict[str, Any]:
    return {"LogConfig": {"Type": driver, "Config": {name.replace("_", "-"): value for name, value in options.items()}}}


def logs(engine: EngineDaemon, name: str, query: str = "", *, streams: str = "stdout=1&stderr=1") -> Answer:
    return engine.request("GET", f"{V}/containers/{name}/logs?{streams}&{query}")


def lines(engine: EngineDaemon, name: str, query: str = "", *, streams: str = "stdout=1&stderr=1") -> list[str]:
    answer = logs(engine, name, query, streams=streams)
    assert answer.status == 200, answer.body
    return b"".join(data for _, data in frames(answer.body)).decode().splitlines()


@pytest.fixture
def spoken(engine: EngineDaemon) -> EngineDaemon:
    """The engine with a container ``spoken`` that has said three lines on each stream, some time apart."""
    engine.run("sh", "-c", SCRIPT, name="spoken", Labels={"k": "v"}, Env=["A=b c"], HostConfig=log_config(labels="k", env="A"))
    engine.wait("spoken")
    return engine


def test_a_flood_is_bounded_and_its_end_is_kept(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "seq 1 400000", name="flood", HostConfig=log_config(max_size="100k", max_file="3"))
    engine.wait("flood")
    found = [int(line) for line in lines(engine, "flood")]
    assert found == list(range(found[0], 400_001))
    assert sum(path.stat().st_size for path in Path(engine.inspect("flood")["LogPath"]).iterdir()) <= 3 * 100 * 1024
    assert lines(engine, "flood", "tail=2") == ["399999", "400000"]
    assert engine.inspect("flood")["HostConfig"]["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "100k", "max-file": "3"},
    }


def test_a_restarted_container_goes_on_with_its_log(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "echo -n begun; echo done >&2", name="twice")
    engine.wait("twice")
    assert engine.request("POST", f"{V}/containers/twice/start").status == 204
    engine.wait("twice")
    assert sorted(frames(logs(engine, "twice").body)) == [(1, b"begun"), (1, b"begun"), (2, b"done\n"), (2, b"done\n")]
    assert len([1 for stream, _ in frames(logs(engine, "twice", "timestamps=1").body) if stream == 1]) == 2


def test_without_a_log_nothing_can_be_read_but_an_attached_client_gets_all(engine: EngineDaemon) -> None:
    done = engine.shell("$D run --log-driver none --name silent busybox seq 1 100000 | tail -n 1")
    assert done.stdout == b"100000\n"
    answer = logs(engine, "silent")
    assert (answer.status, answer.message) == (501, "configured logging driver does not support reading")
    assert engine.request("POST", f"{V}/containers/silent/attach?logs=1&stdout=1").status == 501
    assert engine.inspect("silent")["LogPath"] == ""


@pytest.mark.parametrize(
    "config",
    [
        {"Type": "syslog"},
        {"Type": "json-file", "Config": {"max-size": "x"}},
        {"Type": "json-file", "Config": {"max-file": "0", "max-size": "1m"}},
        {"Type": "json-file", "Config": {"bogus": "1"}},
        {"Type": "json-file", "Config": {"max-size": 5}},
        {"Type": "json-file", "Config": {"tag": "{{.Bogus}}"}},
    ],
)
def test_unusable_options_are_refused_at_create(engine: EngineDaemon, config: object) -> None:
    answer = engine.request("POST", f"{V}/containers/create", {"Image": "busybox", "HostConfig": {"LogConfig": config}})
    assert answer.status == 400, answer.body


def test_what_has_no_effect_is_said(engine: EngineDaemon) -> None:
    body = {"Image": "busybox", "HostConfig": log_config(compress="true", max_size="1m", max_file="2")}
    answer = engine.request("POST", f"{V}/containers/create", body)
    assert ["compress" in warning for warning in answer.document["Warnings"]] == [True]


def test_streams_are_told_apart(spoken: EngineDaemon) -> None:
    assert lines(spoken, "spoken", streams="stdout=1") == ["out 1", "out 2", "out 3"]
    assert lines(spoken, "spoken", streams="stderr=1") == ["err 1", "err 2", "err 3"]
    assert [stream for stream, _ in frames(logs(spoken, "spoken").body)] == [1, 2, 1, 2, 1, 2]


def test_times_and_details_stand_before_each_line(spoken: EngineDaemon) -> None:
    found = [line.split(" ", 2) for line in lines(spoken, "spoken", "timestamps=1&details=1")]
    assert [rest for _, _, rest in found] == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]
    assert {details for _, details, _ in found} == {"A=b+c,k=v"}
    stamps = [stamp for stamp, _, _ in found]
    assert stamps == sorted(stamps)
    assert all(stamp.endswith("Z") and len(stamp) == 30 for stamp in stamps)


def test_a_part_is_chosen_by_times_and_by_lines_from_the_end(spoken: EngineDaemon) -> None:
    """The times are those of the lines themselves, to the nanosecond."""
    said = ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]
    stamps = [line.split(" ")[0] for line in lines(spoken, "spoken", "timestamps=1")]
    for first in range(6):
        assert lines(spoken, "spoken", f"since={stamps[first]}") == said[first:]
        assert lines(spoken, "spoken", f"until={stamps[first]}") == said[: first + 1]
        assert lines(spoken, "spoken", f"follow=1&since={stamps[first]}&until={stamps[4]}") == said[first:5]
        assert lines(spoken, "spoken", f"tail=4&since={stamps[first]}") == said[max(first, 2) :]
        assert lines(spoken, "spoken", f"tail=3&since={stamps[first]}&until={stamps[4]}") == said[max(first, 3) : 5]
        assert lines(spoken, "spoken", f"tail=2&since={stamps[first]}", streams="stderr=1") == said[max(first | 1, 3) :: 2]


def test_following_ends_at_the_time_that_was_given(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "echo one; sleep 600", name="quiet")
    wait_until(lambda: lines(engine, "quiet"), "the first line")
    until = time.time() + 1
    assert lines(engine, "quiet", f"follow=1&tail=1&since=1&until={until:.3f}") == ["one"]
    assert time.time() >= until


def test_an_endless_line_of_garbage_is_read_to_its_end_without_being_held(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "head -c 30000000 /dev/urandom | tr -d '\\n'; echo; echo last", name="garbage")
    engine.wait("garbage")
    assert lines(engine, "garbage", "tail=1") == ["last"]
    with_times = frames(logs(engine, "garbage", "tail=2&timestamps=1").body)
    assert max(len(data) for _, data in with_times) < 2**20
    assert with_times[-1][1].endswith(b" last\n")
    assert sum(len(data) for _, data in with_times) == sum(len(data) for _, data in frames(logs(engine, "garbage").body)) + 62


def test_a_library_gets_a_line_a_frame(engine: EngineDaemon) -> None:
    engine.run("seq", "1", "500", name="lines")
    engine.wait("lines")
    assert [data for _, data in frames(logs(engine, "lines").body)] == [b"%d\n" % number for number in range(1, 501)]
