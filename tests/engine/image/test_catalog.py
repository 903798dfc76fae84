"""What records of images a tenant may make the engine keep."""

from collections.abc import Iterator

import pytest

from engine.core.image_config import ImageConfig
from engine.core.record_shares import MOST_BYTES
from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded
from engine.image.catalog import Catalog
from engine.image.records import Holding, ImageRecord

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
LARGE = ImageConfig("amd64", labels={"label": "x" * (MOST_BYTES // 10)})


class Memory:
    """A folder of records that lasts as long as a test."""

    def __init__(self) -> None:
        self.records: dict[str, tuple[ImageRecord, ImageConfig]] = {}

    def load(self) -> Iterator[tuple[ImageRecord, ImageConfig]]:
        yield from self.records.values()

    def add(self, record: ImageRecord, raw_config: bytes) -> None:
        self.records[record.image_id] = (record, LARGE)

    def save(self, record: ImageRecord) -> None:
        self.records[record.image_id] = (record, self.records[record.image_id][1])

    def discard(self, image_id: str) -> None:
        self.records.pop(image_id, None)


@pytest.fixture
def folder() -> Memory:
    """Ada has nine large images, and no place for a tenth."""
    folder = Memory()
    catalog = Catalog(folder, default_domain="")
    for number in range(9):
        catalog.add(record(number, ADA), LARGE, b"")
    return folder


def record(number: int, *owners: Tenant) -> ImageRecord:
    return ImageRecord(f"sha256:{number:064x}", 0, 0, tuple(Holding(owner) for owner in owners))


def test_images_with_labels_without_end_fill_neither_disk_nor_memory_also_after_a_restart(folder: Memory) -> None:
    catalog = Catalog(folder, default_domain="")
    with pytest.raises(QuotaExceeded, match="records of images of demo/ada"):
        catalog.add(record(10, ADA), LARGE, b"")
    assert record(10).image_id not in folder.records
    catalog.add(record(11, BOB), LARGE, b"")
    with pytest.raises(QuotaExceeded):
        catalog.save(record(11, BOB, ADA))


def test_names_without_end_count_as_well(folder: Memory) -> None:
    catalog = Catalog(folder, default_domain="")
    tag = "x" * (MOST_BYTES // 20)
    catalog.give_tag(record(0).image_id, ADA, f"{tag}:1", 0)
    with pytest.raises(QuotaExceeded):
        catalog.give_tag(record(1).image_id, ADA, f"{tag}:2", 0)


def test_what_is_gone_makes_room(folder: Memory) -> None:
    catalog = Catalog(folder, default_domain="")
    catalog.delete(record(0, ADA))
    catalog.save(record(1, BOB))
    for number in (10, 11):
        catalog.add(record(number, ADA), LARGE, b"")
    with pytest.raises(QuotaExceeded):
        catalog.add(record(12, ADA), LARGE, b"")
