"""Builds: what instructions come to, what is said meanwhile, and what is left."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.building import build, output_of

pytestmark = pytest.mark.requires_root

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIGS = {
    "ENV": ("ENV A=1 B='2 3'", "Env", f"{PATH} A=1 B=2 3"),
    "CMD in a shell": ("CMD echo $HOME", "Cmd", "/bin/sh -c echo $HOME"),
    "ENTRYPOINT forgets the base's CMD": ('ENTRYPOINT ["top"]', "Cmd", ""),
    "ENTRYPOINT keeps a CMD of its own stage": ('CMD ["-b"]\nENTRYPOINT ["top"]', "Cmd", "-b"),
    "LABEL": ("LABEL a=b", "Labels", "{'a': 'b'}"),
    "EXPOSE": ("EXPOSE 80 53/udp", "ExposedPorts", "{'53/udp': {}, '80/tcp': {}}"),
    "VOLUME": ("VOLUME /v /w", "Volumes", "{'/v': {}, '/w': {}}"),
    "USER": ("USER ada", "User", "ada"),
    "WORKDIR of two": ("WORKDIR /a\nWORKDIR b", "WorkingDir", "/a/b"),
    "STOPSIGNAL": ("STOPSIGNAL SIGINT", "StopSignal", "SIGINT"),
    "SHELL": ('SHELL ["/bin/sh", "-ec"]\nCMD x', "Cmd", "/bin/sh -ec x"),
    "ONBUILD": ("ONBUILD RUN echo", "OnBuild", "RUN echo"),
    "HEALTHCHECK": ("HEALTHCHECK --retries=3 CMD true", "Healthcheck", "{'Test': ['CMD-SHELL', 'true'], 'Retries': 3}"),
    "ARG is no environment": (
        "ARG A=1\nENV B=$A",
        "Env",
        f"{PATH} B=1",
    ),
}


@pytest.mark.parametrize(("instructions", "name", "expected"), CONFIGS.values(), ids=CONFIGS)
def test_an_instruction_sets_the_configuration(engine: EngineDaemon, instructions: str, name: str, expected: str) -> None:
    built = build(engine, f"FROM busybox\n{instructions}\n")
    assert built.error == "", built.lines
    value = engine.request("GET", f"/images/{built.image_id}/json").document["Config"].get(name)
    assert (" ".join(value or []) if isinstance(value, list) or value is None else str(value)) == expected


RUNS = {
    "shell form": ("RUN echo $((1 + 2)) >/f", "3"),
    "exec form": ('RUN ["sh", "-c", "echo exec >/f"]', "exec"),
    "ARG": ("ARG A=x\nRUN echo $A >/f", "x"),
    "ARG under ENV": ("ARG A=x\nENV A=y\nRUN echo $A >/f", "y"),
    "USER": ("USER ada\nRUN id -un >/tmp/f\nUSER root\nRUN mv /tmp/f /f", "ada"),
    "WORKDIR": ("WORKDIR /made/here\nRUN pwd >/f", "/made/here"),
    "files of a volume are discarded": ("VOLUME /v\nRUN echo lost >/v/a; ls /v | wc -l >/f\nRUN ls /v | wc -l >>/f", "1\n0"),
    "heredoc": ("RUN <<EOF\necho one >/f\necho two >>/f\nEOF", "one\ntwo"),
    "heredoc for a program": ("RUN cat >/f <<EOF\n$HOME\nEOF", "/root"),
    "heredoc with a script": ('RUN <<EOF\n#!/bin/awk -f\nBEGIN { print 6 * 7 >"/f" }\nEOF', "42"),
    "a file taken away": ("RUN echo 1 >/f; echo 2 >/g\nRUN rm /g; ls /g 2>/dev/null >>/f; true", "1"),
    "a cache": ("RUN --mount=type=cache,target=/c echo 1 >>/c/a\nRUN --mount=type=cache,target=/c wc -l </c/a >/f", "1"),
    "memory that is a folder": ("RUN --mount=type=tmpfs,target=/m grep -c ' /m tmpfs' /proc/mounts >/f", "1"),
    "no network": ("RUN --network=none ls /sys/class/net >/f", "lo"),
    "names like those of layers": ("RUN echo 1 >/f; echo >/.wh.f; echo >/.wh..wh..opq", "1"),
}


@pytest.mark.parametrize(("instructions", "expected"), RUNS.values(), ids=RUNS)
def test_a_command_writes_into_the_image(engine: EngineDaemon, instructions: str, expected: str) -> None:
    built = build(engine, f"FROM busybox\n{instructions}\n", nocache=1)
    assert built.error == "", built.lines
    assert output_of(engine, built.image_id, "cat", "/f").strip() == expected


def test_the_answer_is_that_of_the_classic_builder(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nRUN echo said; echo cried >&2\nCMD true\n", nocache=1, t="said:1", labels={"a": "b"})
    said = built.text.splitlines()
    assert [line for line in said if line.startswith("Step")] == [
        "Step 1/4 : FROM busybox",
        "Step 2/4 : RUN echo said; echo cried >&2",
        "Step 3/4 : CMD true",
        "Step 4/4 : LABEL a=b",
    ]
    assert "said" in said
    assert "\x1b[91mcried" in built.text
    assert said[-2:] == [f"Successfully built {built.image_id[7:19]}", "Successfully tagged said:1"]
    assert engine.request("GET", "/containers/json?all=1").document == []


def test_a_command_that_fails_names_its_line_and_leaves_the_steps_before_it(engine: EngineDaemon) -> None:
    dockerfile = "FROM busybox\n\nRUN echo kept >/k\nRUN exit 7\n"
    built = build(engine, dockerfile, t="never")
    assert (built.code, built.error) == (7, "The command '/bin/sh -c exit 7' returned a non-zero code: 7")
    assert "Dockerfile:4: RUN exit 7" in built.text
    assert engine.request("GET", "/containers/json?all=1").document == []
    assert build(engine, dockerfile).cached == 1
    assert engine.request("GET", "/images/never/json").status == 404


def test_containers_are_kept_where_the_client_asks_for_it(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nRUN echo 1 >/kept\n", rm=0, nocache=1)
    (container,) = engine.request("GET", "/containers/json?all=1").document
    assert (container["State"], "Removing" in built.text) == ("exited", False)
    assert output_of(engine, built.image_id, "cat", "/kept") == "1\n"
    assert {"Path": "/kept", "Kind": 1} in engine.request("GET", f"/containers/{container['Id']}/changes").document


def test_stages_share_files_and_those_that_nobody_needs_are_left_out(engine: EngineDaemon) -> None:
    dockerfile = """
        FROM busybox AS one
        RUN echo from one >/a
        FROM nobody-has-this-image AS never
        RUN exit 1
        FROM busybox
        COPY --from=one /a /b
        COPY --from=0 /a /c/
    """
    built = build(engine, dockerfile)
    assert built.error == "", built.lines
    assert output_of(engine, built.image_id, "cat", "/b", "/c/a") == "from one\nfrom one\n"


def test_triggers_of_a_base_are_done_once(engine: EngineDaemon) -> None:
    assert build(engine, "FROM busybox\nONBUILD RUN echo child >>/f\nONBUILD ENV A=b\n", t="parent").error == ""
    child = build(engine, "FROM parent\nRUN echo $A >>/f\n", t="child")
    assert "# Executing 2 build triggers\n" in child.text
    assert output_of(engine, "child", "cat", "/f") == "child\nb\n"
    grandchild = build(engine, "FROM child\nRUN cat /f\n")
    assert "build trigger" not in grandchild.text


def test_what_processes_in_the_background_have_written_is_whole_and_they_are_gone(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nRUN (while :; do date >>/log; done) & sleep 0.2; echo done >/f\n", nocache=1)
    assert output_of(engine, built.image_id, "cat", "/f") == "done\n"
    assert engine.request("GET", "/containers/json?all=1").document == []


def test_nothing_but_the_id_is_said_when_it_is_to_be_quiet(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nRUN echo loud\n", q=1)
    assert [set(line) for line in built.lines] == [{"stream"}]
    assert engine.request("GET", f"/images/{built.text.strip()}/json").document["Id"] == built.text.strip()
    failed = build(engine, "FROM busybox\nRUN echo loud; exit 3\n", q=1)
    assert "loud\n" in failed.text
    assert failed.code == 3


def test_limits_names_and_networks_hold_for_each_command(engine: EngineDaemon) -> None:
    look = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
    dockerfile = f"FROM busybox\nRUN {look}; grep friend /etc/hosts; ulimit -n; ls /sys/class/net; df -k /dev/shm | tail -1\n"
    query: dict[str, Any] = {"memory": 64 << 20, "extrahosts": ["friend:10.1.2.3"], "networkmode": "none", "shmsize": 1 << 20}
    built = build(engine, dockerfile, nocache=1, ulimits=json.dumps([{"Name": "nofile", "Soft": 77, "Hard": 99}]), **query)
    for expected in (str(64 << 20), "10.1.2.3\tfriend", "77\n", "lo\n", "1024"):
        assert expected in built.text
    assert "eth0" not in built.text


def test_equal_builds_at_once_do_not_disturb_each_other(engine: EngineDaemon) -> None:
    dockerfile = "FROM busybox\nRUN echo same >/f\nCOPY Dockerfile /d\nRUN cat /f /d >/g\n"
    with ThreadPoolExecutor(6) as pool:
        builds = list(pool.map(lambda _: build(engine, dockerfile, t="same:1"), range(6)))
    assert [one.error for one in builds] == [""] * 6
    assert engine.request("GET", "/images/same:1/json").document["Id"] in {one.image_id for one in builds}
    assert output_of(engine, "same:1", "head", "-1", "/g") == "same\n"
    again = build(engine, dockerfile)
    assert again.cached == 3


def test_a_build_runs_on_a_network_of_the_tenants_own(engine: EngineDaemon) -> None:
    engine.request("POST", "/networks/create", {"Name": "buildnet"})
    address = engine.request("GET", "/networks/buildnet").document["IPAM"]["Config"][0]["Subnet"].rpartition(".")[0]
    built = build(engine, "FROM busybox\nRUN ip -4 addr show eth0\n", nocache=1, networkmode="buildnet")
    assert f"inet {address}" in built.text
    assert engine.request("DELETE", "/networks/buildnet").status == 204


def test_an_image_begins_with_nothing(engine: EngineDaemon) -> None:
    busybox = output_of(engine, "busybox", "cat", "/etc/passwd")
    built = build(
        engine, "FROM scratch\nCOPY --from=busybox /bin /bin/\nCOPY --from=busybox /etc/passwd /etc/\nCMD cat /etc/passwd\n"
    )
    assert output_of(engine, built.image_id) == busybox
    assert "FROM scratch has none" in build(engine, "FROM scratch\nRUN true\n").error
    assert "no image was generated" in build(engine, "FROM scratch\n").error
