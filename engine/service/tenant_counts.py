"""How many containers, images, volumes, networks and ports each tenant has: of all tenants in one pass over the records.

The same numbers as the stores' own ``count`` gives of one tenant when it is decided whether it may have more.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from engine.core.lifecycle import ALIVE
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.service.engine import Engine

COUNTED = ("containers", "running", "images", "image_bytes", "volumes", "networks", "ports")
Counts = Mapping[Tenant, Mapping[str, int]]


def count_all(engine: Engine, tenants: Collection[Tenant]) -> Counts:
    """Return what each of some teams, with its members, and members has. Never waits."""
    found: dict[Tenant, Counter[str]] = {tenant: Counter() for tenant in tenants}

    def add(owner: Tenant, name: str, amount: int = 1) -> None:
        for scope in owner.scopes:
            if scope in found:
                found[scope][name] += amount

    owners = {tenant.team for tenant in tenants}
    for record in engine.containers.all():
        if record.tenant.team in owners:
            add(record.tenant, "containers")
            add(record.tenant, "running", record.run.state in ALIVE)
            ports = {(port.port.protocol, port.host_port) for port in engine.network.published(record.container_id)}
            add(record.tenant, "ports", len(ports))
    for volume in engine.volumes.visible(ADMINISTRATOR):
        add(volume.tenant, "volumes")
    for network in engine.network.list_networks(ADMINISTRATOR):
        add(network.owner, "networks", not network.is_default)
    for scope, (images, image_bytes) in engine.images.counts().items():
        if scope in found:
            found[scope].update({"images": images, "image_bytes": image_bytes})
    return found
