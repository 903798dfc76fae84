"""The paths of the host that a container binds: they are to exist, or are made as folders where the short form asks for it."""

from collections.abc import Iterable
from pathlib import Path

from engine.core.mounts import BIND, MountPoint
from engine.core.tenant_socket import is_of_engine
from engine.errors import InvalidParameter


def prepare_bind_sources(points: Iterable[MountPoint]) -> None:
    """Check or make each source. Blocking. Raises InvalidParameter."""
    for bind in (point for point in points if point.kind == BIND and not is_of_engine(point)):
        source = Path(bind.source)
        if source.exists():
            continue
        if not bind.makes_source:
            raise InvalidParameter(f'invalid mount config for type "bind": bind source path does not exist: {bind.source}')
        try:
            source.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidParameter(f"bind source path {bind.source} cannot be made: {error.strerror}") from None
