"""A place for images, and the cast: two members of a team, the team, an outsider, the administrators."""

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.api.image_json import removed_json
from engine.core.tenants import Tenant
from engine.image.store import Image, ImageStore, Removed
from engine.storage.layers import LayerStore
from engine.storage.trash import Trash
from tests.engine.storage.tar_archives import archive, member

ADMIN, TEAM, ADA, BOB, OUTSIDER = Tenant(), Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("other", "eve")

OpenStore = Callable[[], ImageStore]
ImportImage = Callable[..., Image]


def told(removed: Removed) -> list[dict[str, str]]:
    """What the API answers."""
    return [removed_json(item) for item in removed.items]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Open the same folder, again and again, as daemons do one after the other."""
    clock = itertools.count(1_700_000_000_000_000_000, 1_000_000_000)
    trash = Trash(tmp_path / "trash")

    def opened() -> ImageStore:
        layers = LayerStore(tmp_path / "layers", trash)
        return ImageStore(tmp_path / "images", layers, trash, default_domain="hub.example", now_ns=lambda: next(clock))

    yield opened
    trash.empty()
    assert list((tmp_path / "layers/staging").iterdir()) == []


@pytest.fixture
def store(open_store: OpenStore) -> ImageStore:
    return open_store()


@pytest.fixture
def add(store: ImageStore) -> ImportImage:
    """Import an image for somebody; the content makes it a different one."""

    def run(tenant: Tenant, reference: str | None = None, content: bytes = b"x", *changes: str) -> Image:
        raw = archive([member("file", content)])
        return store.import_tar(io.BytesIO(raw), tenant=tenant, reference=reference, changes=changes)

    return run
