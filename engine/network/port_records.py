"""Published ports on disk, as JSON: ``<root>/<container id>.ports``, beside the folders of the networks.

As leases they do not outlive the host's restart: they are written without waiting for the disk.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from engine.core.ports import PublishedPort
from engine.core.records import dump_record, parse_record
from engine.storage.files import set_aside

_log = logging.getLogger(__name__)
_SUFFIX = ".ports"


@dataclass(frozen=True, slots=True)
class _PortsRecord:
    container_id: str
    published: tuple[PublishedPort, ...]


class PortRecords:
    """The records below one folder, which exists."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, container_id: str, published: tuple[PublishedPort, ...]) -> None:
        path = self._path(container_id)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(dump_record(_PortsRecord(container_id, published)))
        temporary.rename(path)

    def remove(self, container_id: str) -> None:
        self._path(container_id).unlink(missing_ok=True)

    def load(self) -> dict[str, tuple[PublishedPort, ...]]:
        """Return what each container has published. A record that cannot be read is set aside, with a message."""
        records = (_load(path) for path in sorted(self._root.glob(f"*{_SUFFIX}")))
        return {record.container_id: record.published for record in records if record is not None}

    def _path(self, container_id: str) -> Path:
        return self._root / f"{container_id}{_SUFFIX}"


def _load(path: Path) -> _PortsRecord | None:
    try:
        return parse_record(_PortsRecord, path.read_bytes())
    except (OSError, ValueError) as error:
        _log.warning("record of ports %s cannot be read: %s; %s", path, error, set_aside(path))
        return None
