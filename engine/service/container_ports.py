"""The ports of a container: what its start publishes."""

from engine.core.containers import ContainerRecord
from engine.core.ports import PortBinding, exposed_ports, wanted_bindings
from engine.service.container_networks import joins_of
from engine.service.engine import Engine
from engine.service.tenant_rules import permitted_bindings


def bindings_of(record: ContainerRecord) -> tuple[PortBinding, ...]:
    """Return what is to be published. Raises InvalidParameter for more than a container may publish."""
    host = record.host
    return wanted_bindings(exposed_ports(record.config.exposed_ports), host.port_bindings, publishes_all=host.publish_all)


def check_bindings(engine: Engine, record: ContainerRecord) -> None:
    """Raise Forbidden for a container that a start could not put on its networks, since rules have changed."""
    if joins_of(record):
        permitted_bindings(engine, record.tenant, bindings_of(record))


async def publish_ports(engine: Engine, record: ContainerRecord) -> None:
    """Publish what a container that has just come to its networks wants.

    Raises Conflict, Forbidden, Unavailable, QuotaExceeded, Fault.
    """
    if wanted := bindings_of(record):
        permitted = permitted_bindings(engine, record.tenant, wanted)
        await engine.network.publish(record.container_id, permitted, name=record.name)
