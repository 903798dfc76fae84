"""Slices of user ids: given once, never to two."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Fault
from engine.tenants.store import FIRST_ID, SLICE_IDS, TenantStore

ADA, BOB = Tenant("blue", "ada"), Tenant("red", "bob")


def test_administrators_have_the_first_slice_and_each_tenant_its_own(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    firsts = [store.id_mappings(tenant)[0]["host"] for tenant in (ADMINISTRATOR, ADA, BOB, Tenant("blue"), ADA)]
    assert firsts == [FIRST_ID + SLICE_IDS * number for number in (0, 1, 2, 3, 1)]


def test_a_slice_is_kept_over_restarts(tmp_path: Path) -> None:
    before = TenantStore(tmp_path).id_mappings(ADA)
    store = TenantStore(tmp_path)
    assert store.id_mappings(BOB) != before
    assert store.id_mappings(ADA) == before


def test_threads_that_ask_at_once_get_different_slices(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        mappings = list(pool.map(store.id_mappings, [Tenant("blue", f"m{number}") for number in range(50)]))
    assert len({mapping[0]["host"] for mapping in mappings}) == 50


def test_a_damaged_table_stops_the_engine_rather_than_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "slices.json").write_text("{")
    with pytest.raises(Fault, match="restore it from a backup"):
        TenantStore(tmp_path)
