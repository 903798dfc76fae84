"""Records of where layers came from: bounded, sound after a crash, gone with the layer."""

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import pytest

from engine.core.digests import hex_of, sha256_of
from engine.core.tenants import Tenant
from engine.image.sources import KEPT_NS, MOST_SOURCES, Source, SourceStore
from engine.service.pull_upkeep import PullUpkeep
from engine.storage.layers import LayerStore
from tests.engine.storage.tar_archives import archive, member

ADA, EVE, ADMIN = Tenant("demo", "ada"), Tenant("other", "eve"), Tenant()
SOURCE = Source("reg.example", "team/image", sha256_of(b"blob"), 4, "application/x", ADA)


class Clock:
    now_ns = 10**18

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


@pytest.fixture
def diff_id(layers: LayerStore) -> str:
    made = layers.unpack(io.BytesIO(archive([member("file", b"x")])))
    layers.release([made.diff_id])
    return made.diff_id


def opened(tmp_path: Path, layers: LayerStore, clock: Clock | None = None) -> SourceStore:
    return SourceStore(tmp_path / "blobs", layers, now_ns=clock or Clock())


def test_what_is_known_is_known_to_the_next_daemon(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    opened(tmp_path, layers).add(diff_id, SOURCE, keepers=[ADA, ADA, EVE])
    later = opened(tmp_path, LayerStore(tmp_path / "layers"))
    assert later.known(diff_id, tenant=ADA) == [SOURCE]
    assert [later.is_kept(diff_id, tenant) for tenant in (ADA, EVE, ADMIN)] == [True, True, False]


def test_a_kept_layer_goes_when_the_last_has_let_go(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    store = opened(tmp_path, layers)
    store.add(diff_id, SOURCE, keepers=[ADA, EVE])
    store.let_go(ADA, [diff_id])
    assert not layers.remove(diff_id)
    store.let_go(EVE, [diff_id])
    assert layers.remove(diff_id)


def test_a_second_pull_of_the_same_tenant_does_not_hold_twice(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    store = opened(tmp_path, layers)
    for _ in range(2):
        store.add(diff_id, SOURCE, keepers=[ADA])
    store.let_go(ADA, [diff_id])
    assert layers.remove(diff_id)


def test_names_of_repositories_are_told_to_those_who_see_their_owner(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    store = opened(tmp_path, layers)
    public = replace(SOURCE, path="library/base", owner=ADMIN)
    store.add(diff_id, SOURCE)
    store.add(diff_id, public)
    assert store.known(diff_id, tenant=EVE) == [public]
    assert store.known(diff_id, tenant=Tenant("demo")) == [public, SOURCE]
    store.add(diff_id, replace(SOURCE, owner=EVE))
    assert SOURCE in store.known(diff_id, tenant=ADA)  # who brings it too takes it from nobody


def test_a_layer_in_very_many_repositories_takes_a_bounded_place(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    store = opened(tmp_path, layers)
    for number in range(MOST_SOURCES + 5):
        store.add(diff_id, replace(SOURCE, path=f"team/image-{number}"))
    known = store.known(diff_id, tenant=ADA)
    assert (len(known), known[0].path) == (MOST_SOURCES, f"team/image-{MOST_SOURCES + 4}")


@pytest.mark.parametrize("content", [b"", b"{", b'{"diff_id": 7}', b'{"diff_id": "sha256:00"}'])
def test_a_record_that_cannot_be_read_is_put_aside(tmp_path: Path, layers: LayerStore, diff_id: str, content: bytes) -> None:
    opened(tmp_path, layers).add(diff_id, SOURCE)
    path = tmp_path / "blobs" / f"{hex_of(diff_id)}.json"
    path.write_bytes(content)
    assert opened(tmp_path, layers).known(diff_id, tenant=ADA) == []
    assert [one.suffix for one in (tmp_path / "blobs").iterdir()] == [".unreadable"]


def test_records_go_with_their_layers_and_half_written_ones_at_once(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    opened(tmp_path, layers).add(diff_id, SOURCE)
    (tmp_path / "blobs" / ".half.json.new").write_bytes(b"{")
    layers.remove(diff_id)
    opened(tmp_path, layers)
    assert list((tmp_path / "blobs").iterdir()) == []


def test_upkeep_collects_when_something_was_kept_long_enough(tmp_path: Path, layers: LayerStore, diff_id: str) -> None:
    clock, collected = Clock(), []
    store = opened(tmp_path, layers, clock)
    store.add(diff_id, SOURCE, keepers=[ADA])
    upkeep = PullUpkeep(store, lambda: collected.append(clock.now_ns))
    asyncio.run(upkeep.look())
    assert collected == []
    clock.now_ns += KEPT_NS
    asyncio.run(upkeep.look())
    assert len(collected) == 1
    assert not store.is_kept(diff_id, ADA)
