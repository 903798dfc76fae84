"""A container that has its tenant's socket: what of the host is mounted for it at its start.

Owns the translation. The folder with the socket goes aside, and a link to it to each place where the socket is wanted: so the
socket of the next daemon is found as well, whichever of daemon and supervisor has died.
"""

from engine.core.containers import ContainerRecord
from engine.core.launch import BindSpec, LaunchSpec
from engine.core.tenant_socket import CLI, DOOR, SOCKET, is_of_engine
from engine.service.docker_command import find_docker_command
from engine.service.engine import Engine


def with_socket(engine: Engine, record: ContainerRecord, spec: LaunchSpec) -> LaunchSpec:
    """Return the specification with what is mounted of the engine's own. Blocking. Raises OSError."""
    points = [point for point in record.mount_points if is_of_engine(point)]
    sockets = [point.target for point in points if point.backing == SOCKET]
    binds = [_bind(str(engine.doors.files.link), target) for target in sockets]
    if sockets:
        binds.insert(0, _bind(str(engine.doors.files.make_door(record.tenant)), DOOR))
    if command := find_docker_command().path:
        binds += [_bind(command, point.target) for point in points if point.backing == CLI]
    return {**spec, "binds": [*spec["binds"], *binds]} if binds else spec


def _bind(source: str, target: str) -> BindSpec:
    return {"source": source, "target": target, "readonly": True, "idmapped": True, "of_engine": True}
