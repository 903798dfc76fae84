"""Images that try to lead the engine astray while their container is being made."""

import os
from pathlib import Path

import pytest

from engine.core.launch import LaunchSpec
from tests.engine.runtime.launch_bench import Bench

pytestmark = pytest.mark.requires_root


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def with_hosts(bench: Bench, script: str) -> LaunchSpec:
    """A container with a file of the engine bound to /etc/hosts."""
    (bench.base / "hosts").write_text("bound\n")
    spec = bench.shell(script)
    spec["binds"] = [{"source": str(bench.base / "hosts"), "target": "/etc/hosts", "readonly": False, "idmapped": True}]
    return spec


@pytest.mark.parametrize(
    "target",
    ["../../../../../../tmp/{mark}", "/tmp/{mark}", "../run/{mark}/file", "/proc/../tmp/{mark}", "/bin/../../../tmp/{mark}"],
)
def test_a_link_at_a_bind_target_leads_inside_only(bench: Bench, target: str) -> None:
    mark = f"atelier-mark-{os.getpid()}"
    (bench.rootfs / "etc/hosts").symlink_to(target.format(mark=mark))
    assert bench.run(with_hosts(bench, "cat /etc/hosts"))["stdout"] == "bound\n"
    assert not (Path("/tmp") / mark).exists()
    assert not (Path("/run") / mark).exists()


def test_a_linked_folder_at_a_bind_target_leads_inside_only(bench: Bench) -> None:
    for file in (bench.rootfs / "etc").iterdir():
        file.unlink()
    (bench.rootfs / "etc").rmdir()
    (bench.rootfs / "etc").symlink_to("../../../../../../../var/configuration")
    assert bench.run(with_hosts(bench, "cat /etc/hosts /var/configuration/hosts"))["stdout"] == "bound\nbound\n"
    assert not Path("/var/configuration").exists()


@pytest.mark.parametrize("target", ["/proc/self/environ", "/proc/sys/kernel/core_pattern", "/proc/1/root/etc/hosts"])
def test_a_link_into_proc_at_a_bind_target_is_refused(bench: Bench, target: str) -> None:
    (bench.rootfs / "etc/hosts").symlink_to(target)
    outcome = bench.run(with_hosts(bench, "true"))
    assert outcome["error"]["step"] == "attach"
    assert outcome["left"] == {}


def test_links_in_a_circle_end_in_an_error(bench: Bench) -> None:
    (bench.rootfs / "etc/hosts").symlink_to("/etc/other")
    (bench.rootfs / "etc/other").symlink_to("/etc/hosts")
    assert "too many levels of symbolic links" in bench.run(with_hosts(bench, "true"))["error"]["message"]


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_link_where_the_kernels_file_systems_belong_is_refused(bench: Bench, name: str) -> None:
    (bench.rootfs / name).rmdir()
    (bench.rootfs / name).symlink_to("/tmp")
    outcome = bench.run(bench.shell("true"))
    assert f"/{name} of the image is a symbolic link" in outcome["error"]["message"]
    assert outcome["left"] == {}


def test_missing_folders_for_the_kernels_file_systems_are_made(bench: Bench) -> None:
    for name in ("proc", "sys", "dev"):
        (bench.rootfs / name).rmdir()
    assert bench.output("ls -d /proc/self /sys/class /dev/null").split() == ["/dev/null", "/proc/self", "/sys/class"]


@pytest.mark.parametrize("number", range(3, 12))
def test_no_open_descriptor_can_be_the_working_directory(bench: Bench, number: int) -> None:
    spec = bench.shell("pwd; ls ../../../../..")
    spec["process"]["cwd"] = f"/proc/self/fd/{number}"
    outcome = bench.run(spec)
    shown = outcome.get("stdout", "")
    assert "error" in outcome or shown.split()[1:] == ["bin", "dev", "etc", "proc", "root", "sys", "tmp"], outcome


def test_a_link_to_a_descriptor_as_working_directory_stays_inside(bench: Bench) -> None:
    (bench.rootfs / "here").symlink_to("/proc/self/fd/4/../../..")
    spec = bench.shell("ls")
    spec["process"]["cwd"] = "/here"
    outcome = bench.run(spec)
    assert "error" in outcome or "bin" in outcome["stdout"].split(), outcome


def test_an_account_file_that_is_no_file_does_not_block(bench: Bench) -> None:
    for name in ("passwd", "group"):
        (bench.rootfs / "etc" / name).unlink()
    os.mkfifo(bench.rootfs / "etc/passwd")
    (bench.rootfs / "etc/group").symlink_to("/dev/zero")
    assert bench.output("echo $HOME") == "/\n"


def test_an_enormous_account_file_is_refused(bench: Bench) -> None:
    os.truncate(bench.rootfs / "etc/passwd", 1 << 40)
    assert bench.run(bench.spec("id"))["error"] == {
        "message": "user: /etc/passwd: file too large",
        "exit_code": None,
        "step": "user",
    }


def test_an_account_file_cannot_be_one_of_the_hosts(bench: Bench) -> None:
    (bench.rootfs / "etc/passwd").unlink()
    (bench.rootfs / "etc/passwd").symlink_to("/proc/1/root/etc/passwd")
    assert bench.run(bench.spec("id"))["error"]["step"] == "user"


def test_masked_paths_that_are_links_are_covered_where_they_lead(bench: Bench) -> None:
    (bench.rootfs / "secret").symlink_to("/etc/passwd")
    spec = bench.shell("cat /secret /etc/passwd")
    spec["masked_paths"] = ["/secret"]
    spec["process"]["user"] = "0"
    assert bench.run(spec)["stdout"] == ""
