"""Which networks a container is to be on, and telling of its coming and going there.

Owns the step from what a client names to the networks of the container's own tenant.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from engine.core.containers import ContainerRecord
from engine.core.namespace_modes import has_own_network
from engine.core.networks import BRIDGE, NONE, NetworkJoin
from engine.core.tenants import Tenant
from engine.errors import Forbidden, InvalidParameter, NotFound
from engine.network.attachments import Guest
from engine.network.model import Endpoint, Network
from engine.network.rates import Rates
from engine.service.engine import Engine
from engine.service.networks import find_network, publish_network


def joins_of(record: ContainerRecord) -> tuple[NetworkJoin, ...]:
    """Return how the container is to be on its networks, the first of them its eth0."""
    mode = record.host.network_mode
    if record.config.network_disabled or not has_own_network(mode):
        return ()
    if mode == NONE:  # it may have been taken off it, and put on others
        return record.networks or ()
    return (NetworkJoin(BRIDGE),) if record.networks is None else record.networks


def guest_of(record: ContainerRecord, joins: Sequence[NetworkJoin]) -> Guest:
    """Return the container as the network room takes it."""
    return Guest(
        container_id=record.container_id,
        tenant=record.tenant,
        hostname=record.config.hostname,
        names=(record.name,),
        joins=tuple(joins),
        rates=rates_of(record),
        servers=record.host.dns,
    )


def rates_of(record: ContainerRecord) -> Rates:
    """Return what the container itself may receive and send."""
    return Rates(record.host.limits.network_in_bps, record.host.limits.network_out_bps)


def resolve_networks(engine: Engine, tenant: Tenant, mode: str, joins: Sequence[NetworkJoin]) -> tuple[NetworkJoin, ...] | None:
    """Return the networks of a new container by their names in place of ids; None where the mode says all.

    One that does not exist is kept: as with dockerd the start tells, since then it may. Raises InvalidParameter, Forbidden.
    """
    if mode == NONE or not has_own_network(mode) or (mode == BRIDGE and not joins):
        return None
    own_mode = _own_name(engine, tenant, mode)
    resolved = [replace(join, network=_own_name(engine, tenant, join.network)) for join in joins]
    if own_mode != BRIDGE and all(join.network != own_mode for join in resolved):
        resolved.append(NetworkJoin(own_mode))
    resolved.sort(key=lambda join: join.network != own_mode)
    names = [join.network for join in resolved]
    if doubled := next((name for name in names if names.count(name) > 1), ""):
        raise InvalidParameter(f"network {doubled} is named twice: join it once")
    for join in resolved:
        check_join(engine.network.find_network(tenant, join.network), join)
    return tuple(resolved)


def _own_name(engine: Engine, tenant: Tenant, name: str) -> str:
    if name == BRIDGE:
        return name
    try:
        return own_network(engine, tenant, name).name
    except NotFound:
        return name


def is_on_network(engine: Engine, record: ContainerRecord, wanted: Collection[str]) -> bool:
    """Whether the container is, or is to be, on one of the networks, given by names or beginnings of ids."""
    names = [join.network for join in joins_of(record)] or [record.host.network_mode]
    networks = (engine.network.find_network(record.tenant, name) for name in names)
    ids = [network.network_id for network in networks if network is not None]
    return any(value in names or any(value and one.startswith(value) for one in ids) for value in wanted)


def own_network(engine: Engine, tenant: Tenant, name: str) -> Network:
    """Return a network that the tenant's containers may be on. Raises NotFound, Forbidden for another's that it sees."""
    network = find_network(engine, tenant, name)
    if network.owner != tenant:
        raise Forbidden(
            f"network {network.name} belongs to {network.owner.name or 'administrators'}: only containers of theirs can be on it"
        )
    return network


def check_join(network: Network | None, join: NetworkJoin) -> None:
    """Look at an address and names that were asked for, in dockerd's words. Raises InvalidParameter."""
    if join.network == BRIDGE and (join.address or join.address6):
        raise InvalidParameter("user specified IP address is supported on user defined networks only")
    if join.network == BRIDGE and join.aliases:
        raise InvalidParameter("network-scoped alias is supported only for containers in user defined networks")
    if network is None:
        return
    if (join.address and network.ipam.subnet is None) or (join.address6 and network.ipam.subnet6 is None):
        raise InvalidParameter(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
        )
    if join.address and IPv4Address(join.address) not in network.subnet:
        raise InvalidParameter(f"requested address {join.address} is out of range: network {network.name} has {network.subnet}")
    if join.address6 and network.subnet6 is not None and IPv6Address(join.address6) not in network.subnet6:
        raise InvalidParameter(f"requested address {join.address6} is out of range: network {network.name} has {network.subnet6}")


def publish_endpoints(engine: Engine, record: ContainerRecord, endpoints: Sequence[Endpoint], action: str) -> None:
    """Tell that a container has come to its networks (``connect``), or left them (``disconnect``)."""
    for endpoint in endpoints:
        if (network := engine.network.get_network(endpoint.network_id)) is not None:
            publish_network(engine, network, action, container=record.container_id)
