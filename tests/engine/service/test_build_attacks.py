"""What a hostile context, Dockerfile or command of a build might try."""

import io
import tarfile

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.building import build, build_archive, context_of, output_of

pytestmark = pytest.mark.requires_root

MALLORY, VICTIM = "builders/mallory", "others/victim"


def archive_of(*members: tarfile.TarInfo, files: dict[str, str] | None = None) -> bytes:
    output = io.BytesIO(context_of(files or {}))
    with tarfile.open(fileobj=output, mode="a") as archive:
        for member in members:
            archive.addfile(member)
    return output.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


OUTSIDE = ["../Dockerfile", "../../etc/passwd", "a/../../b", "a\0b"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_dockerfile_outside_the_context_is_refused(engine: EngineDaemon, path: str) -> None:
    built = build(engine, "FROM busybox\n", dockerfile=path)
    assert built.status == 400
    assert "must be within the build context" in built.error


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd"])
def test_a_dockerfile_that_is_a_link_out_shows_nothing_of_the_host(engine: EngineDaemon, target: str) -> None:
    built = build_archive(engine, archive_of(link("Dockerfile", target)))
    assert (built.status, "root" in built.error) == (400, False)


def test_a_dockerfile_may_be_a_link_inside(engine: EngineDaemon) -> None:
    archive = archive_of(link("Dockerfile", "deep/real"), files={"deep/real": "FROM busybox\nENV A=1\n"})
    assert build_archive(engine, archive).error == ""


def test_links_of_a_context_copy_nothing_of_the_host(engine: EngineDaemon) -> None:
    archive = archive_of(link("out", "/etc"), files={"Dockerfile": "FROM busybox\nCOPY out/hostname /stolen\n"})
    assert "COPY failed" in build_archive(engine, archive).error


REFUSED_ARGUMENTS = {
    "a null in a value": {"A": "x\0y"},
    "a null in a name": {"A\0": "x"},
    "a number": {"A": 1},
    "no name": {"": "x"},
}


@pytest.mark.parametrize("arguments", REFUSED_ARGUMENTS.values(), ids=REFUSED_ARGUMENTS)
def test_a_build_argument_that_is_none_is_refused(engine: EngineDaemon, arguments: dict[str, object]) -> None:
    assert build(engine, "FROM busybox\nARG A\nRUN echo $A\n", buildargs=arguments).status == 400


def test_a_fork_bomb_stops_at_the_limits_of_a_container(engine: EngineDaemon) -> None:
    engine.import_busybox("busybox:latest", tenant=MALLORY)
    bomb = "FROM busybox\nRUN (:(){ :|:& };: ) 2>/dev/null; sleep 0.3; echo survived\n"
    built = build(engine, bomb, tenant=MALLORY, memory=256 << 20)
    assert built.status == 200
    assert build(engine, "FROM busybox\nRUN echo beside\n", nocache=1).error == ""
    assert engine.request("GET", "/containers/json?all=1").document == []


def test_another_tenants_image_is_no_base(engine: EngineDaemon) -> None:
    image_id = engine.import_busybox("secret:latest", tenant=VICTIM)
    engine.import_busybox("busybox:latest", tenant=MALLORY)
    for name in ("secret", image_id, image_id[7:19]):
        assert build(engine, f"FROM {name}\n", tenant=MALLORY).error != ""
        assert build(engine, f"FROM busybox\nCOPY --from={name} /etc/passwd /x\n", tenant=MALLORY).error != ""


def test_whiteouts_that_a_command_makes_by_name_hide_files_of_its_own_image_alone(engine: EngineDaemon) -> None:
    hide = "FROM busybox\nRUN echo >/etc/.wh.passwd; echo >/bin/.wh..wh..opq\n"
    assert build(engine, hide, nocache=1).error == ""
    assert output_of(engine, "busybox", "head", "-1", "/etc/passwd").startswith("root")


def test_the_container_of_a_step_has_a_tenants_rights(engine: EngineDaemon) -> None:
    engine.import_busybox("busybox:latest", tenant=MALLORY)
    look = "FROM busybox\nRUN mount -t tmpfs x /mnt 2>&1; head -1 /proc/self/uid_map; mknod /dev/x b 8 0 2>&1; true\n"
    built = build(engine, look, tenant=MALLORY, nocache=1)
    assert "permission denied" in built.text.lower() or "not permitted" in built.text.lower()
    assert "         0          0" not in built.text


def test_as_many_layers_as_can_be_mounted_and_no_more(engine: EngineDaemon) -> None:
    lines = [f"COPY file /f{number}" for number in range(130)]
    built = build(engine, "\n".join(["FROM busybox", *lines]), {"file": "x"})
    assert "more than 125 layers" in built.error
    assert "Dockerfile:126: COPY file /f124" in built.text


def test_a_dockerfile_of_too_many_steps_is_refused_before_it_begins(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\n" + "ENV A=b\n" * 1000)
    assert (built.status, "more than" in built.error) == (400, True)
