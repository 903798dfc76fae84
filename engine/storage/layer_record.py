"""What is written of a stored layer beside its area: how large it is, and which tenant pays for it.

It lies outside the area, so that a tenant whose quota is used up never keeps the engine from writing it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from engine.core.tenants import Tenant, parse_tenant
from engine.storage.areas import AREA

RECORD = "layer.json"


@dataclass(frozen=True, slots=True)
class Layer:
    """``diff_id`` is the digest of the uncompressed tar, ``size`` the bytes of the files in it."""

    diff_id: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """``area`` is where its files and recipe lie, ``owner`` who pays for them; ``tar_size`` is None where no record tells."""

    layer: Layer
    tar_size: int | None
    owner: Tenant
    area: Path


def format_record(stored: StoredLayer) -> bytes:
    """Return what is written."""
    return json.dumps({"size": stored.layer.size, "tar_size": stored.tar_size, "owner": stored.owner.name}).encode()


def read_record(folder: Path, diff_id: str) -> StoredLayer:
    """Read the record of a layer whose files are there. Raises OSError, ValueError, KeyError, TypeError, InvalidParameter."""
    record = json.loads((folder / RECORD).read_bytes())
    area = folder / AREA if (folder / AREA).is_dir() else folder
    (area / "diff").stat()
    layer = Layer(diff_id, int(record["size"]))
    tar_size = record.get("tar_size")
    return StoredLayer(
        layer=layer,
        tar_size=None if tar_size is None else int(tar_size),
        owner=parse_tenant(record.get("owner", "")),
        area=area,
    )
