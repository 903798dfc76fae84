"""The image configuration's JSON, and arithmetic on its layers."""

import json

import pytest

from engine.core.digests import parse_id_prefix, sha256_of
from engine.core.image_config import HistoryEntry, ImageConfig, format_image_config, parse_image_config
from engine.core.layers import MAX_LAYERS, chain_ids, distinct_layers
from engine.errors import InvalidParameter

A, B, C = (sha256_of(letter) for letter in "abc")

FULL = ImageConfig(
    architecture="arm64",
    variant="v8",
    created="2026-01-02T03:04:05Z",
    author="ada",
    env=("PATH=/bin", "LANG=é"),
    cmd=("sh",),
    entrypoint=("/init",),
    shell=("/bin/bash", "-c"),
    workdir="/srv",
    user="ada:staff",
    labels={"a": "1"},
    exposed_ports=("53/udp", "80/tcp"),
    volumes=("/data",),
    stop_signal="SIGQUIT",
    diff_ids=(A, B),
    history=(HistoryEntry(created_by="ADD"), HistoryEntry(comment="note", empty_layer=True)),
)


@pytest.mark.parametrize("config", [FULL, ImageConfig(architecture="amd64")])
def test_a_configuration_written_and_read_is_the_same(config: ImageConfig) -> None:
    assert parse_image_config(format_image_config(config)) == config


def test_absent_and_null_fields_are_silence() -> None:
    raw = json.dumps({"architecture": "amd64", "config": {"Cmd": None, "Labels": None, "Env": None}, "rootfs": None}).encode()
    assert parse_image_config(raw) == ImageConfig(architecture="amd64")


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        {"config": ["x"]},
        {"config": {"User": "\ud800"}},
        {"config": {"Labels": {"a": "\ud800"}}},
        {"config": {"Volumes": {"\ud800": {}}}},
        {"config": {"Cmd": "sh -l"}},
        {"config": {"Env": [1]}},
        {"config": {"User": 0}},
        {"config": {"Labels": ["a"]}},
        {"rootfs": {"diff_ids": ["../../etc"]}},
        {"rootfs": {"diff_ids": [7]}},
        {"rootfs": {"diff_ids": [A] * (MAX_LAYERS + 1)}},
        {"history": ["x"]},
    ],
)
def test_a_document_of_another_shape_is_refused(document: object) -> None:
    with pytest.raises(InvalidParameter, match="invalid image configuration"):
        parse_image_config(json.dumps(document).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidParameter, match="invalid image configuration"):
        parse_image_config(raw)


def test_chain_ids_follow_the_definition_of_the_specification() -> None:
    assert chain_ids([]) == []
    assert chain_ids([A, B, C]) == [A, (ab := sha256_of(f"{A} {B}")), sha256_of(f"{ab} {C}")]


@pytest.mark.parametrize(("given", "kept"), [([], []), ([A, B], [A, B]), ([A, B, A], [B, A]), ([A, A, B, C, B], [A, C, B])])
def test_of_a_repeated_layer_the_uppermost_counts(given: list[str], kept: list[str]) -> None:
    assert distinct_layers(given) == kept


@pytest.mark.parametrize(
    ("text", "digits"),
    [("abc", "abc"), ("sha256:abc", "abc"), (A, A[7:]), ("ABC", None), ("abx", None), ("", None), ("md5:ab", None)],
)
def test_the_beginning_of_an_id_is_told_from_a_name(text: str, digits: str | None) -> None:
    assert parse_id_prefix(text) == digits
