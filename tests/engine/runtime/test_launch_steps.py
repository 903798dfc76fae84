"""The parts of a launch that need no container: step names, errors, device rules, bags of descriptors."""

import errno
import json
import os
from collections.abc import Iterator

import pytest

from engine.linux.bpf import load_device_program
from engine.runtime import steps
from engine.runtime.descriptors import Descriptors
from engine.runtime.device_rules import device_program


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    yield
    steps.progress.current = steps.progress.failing = ""


def test_a_step_fails_only_when_it_is_the_one_wanted() -> None:
    steps.progress.failing = "pivot"
    steps.reach("attach")
    with pytest.raises(OSError, match="ATELIER_FAIL_STEP"):
        steps.reach("pivot")


def test_an_unknown_failure_names_the_step_it_happened_at() -> None:
    steps.reach("pivot")
    failure = steps.as_launch_error(OSError(errno.EPERM, os.strerror(errno.EPERM), "/proc"))
    assert (failure.step, failure.exit_code, failure.message) == ("pivot", None, "pivot: /proc: operation not permitted")


@pytest.mark.parametrize("step", [*steps.CREATE_STEPS, "join"])
def test_a_failure_outside_the_container_tells_no_folder_of_the_host(step: str) -> None:
    steps.reach(step)
    failure = steps.as_launch_error(OSError(errno.EINVAL, os.strerror(errno.EINVAL), "/sys/fs/cgroup/cpuset/c-1/cpuset.cpus"))
    assert failure.message == f"{step}: cpuset.cpus: invalid argument"


def test_a_failure_that_knows_itself_is_kept() -> None:
    failure = steps.LaunchError("no", step="user", exit_code=126)
    assert steps.as_launch_error(failure) is failure


@pytest.mark.parametrize("message", ["short", "x" * 100_000, '"\\\n' * 3000], ids=["short", "long", "escaped"])
def test_a_report_is_one_json_object_that_fits_the_pipe_at_once(message: str) -> None:
    reader, writer = os.pipe()
    with Descriptors() as opened:
        opened.add(reader)
        opened.add(writer)
        steps.report(writer, steps.LaunchError(message, step="exec", exit_code=127))
        found = json.loads(os.read(reader, 4096))
    assert found["message"] == message[: len(found["message"])] != ""
    assert (found["exit_code"], found["step"]) == (127, "exec")


def test_a_bag_closes_what_was_not_let_go() -> None:
    with Descriptors() as opened:
        closed = opened.add(os.open("/dev/null", os.O_RDONLY))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(closed)
    with Descriptors() as opened:
        kept = opened.add(os.open("/dev/null", os.O_RDONLY))
        opened.let_go()
    os.fstat(kept)
    os.close(kept)


@pytest.mark.requires_root
def test_the_kernel_takes_the_device_rules() -> None:
    os.close(load_device_program(device_program()))
