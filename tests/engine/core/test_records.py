"""Records survive the way to JSON and back."""

import pytest

from engine.core.containers import Bind, ContainerConfig, ContainerRecord, HostConfig, Run, Ulimit
from engine.core.lifecycle import State
from engine.core.limits import Limits
from engine.core.records import dump_record, parse_record
from engine.core.tenants import Tenant

RECORD = ContainerRecord(
    container_id="a" * 64,
    name="lab",
    tenant=Tenant("demo", "ada"),
    created_ns=1,
    image_id="sha256:x",
    config=ContainerConfig(image="busybox", hostname="h", cmd=("sh",), labels={"a": "b"}, stop_timeout_seconds=3),
    host=HostConfig(
        limits=Limits(memory_bytes=5),
        binds=(Bind("/a", "/b", readonly=True),),
        ulimits=(Ulimit("nofile", 1, 2),),
        masked_paths=(),
    ),
    run=Run(state=State.EXITED, exit_code=7),
)


def test_a_record_is_the_same_after_json() -> None:
    assert parse_record(ContainerRecord, dump_record(RECORD)) == RECORD


def test_fields_of_a_later_version_are_ignored_and_absent_ones_take_their_default() -> None:
    text = dump_record(RECORD).replace(b'"restart_count": 0', b'"later": [1]')
    assert parse_record(ContainerRecord, text) == RECORD


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"container_id": 5}', b"null"])
def test_anything_else_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_record(ContainerRecord, text)


def test_a_state_that_does_not_exist_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="flying"):
        parse_record(ContainerRecord, dump_record(RECORD).replace(b'"exited"', b'"flying"'))
