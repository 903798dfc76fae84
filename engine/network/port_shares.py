"""How many ports of the host a tenant publishes, and the most that anybody may, whatever its quota. Pure."""

from collections.abc import Callable, Mapping, Sequence

from engine.core.ports import PortBinding, PublishedPort
from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded

_MOST_OF_A_TENANT = 2000  # each is an open file of the engine's
Published = Mapping[str, Sequence[PublishedPort]]  # by container
OwnerOf = Callable[[str], Tenant | None]


def count_ports(published: Published, owner_of: OwnerOf, tenant: Tenant) -> int:
    """Return the ports of a tenant and its members; one that is published on several addresses is one."""
    mine = (ports for container_id, ports in published.items() if _is_of(tenant, owner_of(container_id)))
    return sum(len({(port.port.protocol, port.host_port) for port in ports}) for ports in mine)


def count_wanted(wanted: Sequence[PortBinding]) -> int:
    """Return how many ports of the host bindings take at most; those that name the same one count once."""
    named = {(one.port.protocol, one.first_host_port, one.last_host_port) for one in wanted if one.first_host_port}
    return len(named) + sum(not one.first_host_port for one in wanted)


def check_share(published: Published, owner_of: OwnerOf, owner: Tenant, requested: int) -> None:
    """Raise QuotaExceeded where a tenant would have more ports, each on each address, than the engine can hold for it."""
    used = sum(len(ports) for container_id, ports in published.items() if owner_of(container_id) == owner)
    if not owner.is_administrator and used + requested > _MOST_OF_A_TENANT:
        raise QuotaExceeded(
            f"too many published ports: {owner.name} has {used} of {_MOST_OF_A_TENANT}, {requested} more are wanted;"
            " stop containers that publish some, or publish fewer",
            resource="ports",
            limit=_MOST_OF_A_TENANT,
            used=used,
            requested=requested,
            tenant=owner.name,
        )


def _is_of(tenant: Tenant, owner: Tenant | None) -> bool:
    return owner is not None and tenant.sees(owner)
