"""Networks that are there without anybody making them: ``none``, ``host`` for administrators, and a bridge that is yet to come.

Nothing about them ever changes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.containers import ContainerRecord
from engine.core.filters import Filters
from engine.core.ids import is_id_prefix
from engine.core.lifecycle import ALIVE
from engine.core.namespace_modes import HOST
from engine.core.networks import BRIDGE, NONE
from engine.core.tenants import Tenant
from engine.network.names import builtin_network_id
from engine.service.container_networks import joins_of
from engine.service.engine import Engine
from engine.service.networks import network_tests

_DRIVERS = {BRIDGE: "bridge", HOST: "host", NONE: "null"}


@dataclass(frozen=True, slots=True)
class Builtin:
    """One of them, as its owner sees it."""

    name: str
    network_id: str
    driver: str
    owner: Tenant
    labels: Mapping[str, str] = field(default_factory=dict)
    is_default: bool = True  # made by nobody

    def endpoint_id(self, container_id: str) -> str:
        """Return an id for a container's place on it."""
        return _digest(self.network_id, container_id)


def builtin_networks(engine: Engine, tenant: Tenant) -> list[Builtin]:
    """Return those that a tenant's containers may be on. A default bridge that is there already is a network like others."""
    hidden = {BRIDGE} if engine.network.find_network(tenant, BRIDGE) is not None else set()
    hidden |= set() if tenant.is_administrator else {HOST}
    return [_builtin(engine, tenant, name) for name in _DRIVERS if name not in hidden]


def list_builtins(engine: Engine, tenant: Tenant, *, filters: Filters) -> list[Builtin]:
    """List them. Raises InvalidParameter."""
    tests = network_tests(engine, filters)
    return [one for one in builtin_networks(engine, tenant) if all(test(one) for test in tests)]


def find_builtin(engine: Engine, tenant: Tenant, name: str) -> Builtin | None:
    """Look up by name, id or beginning of an id."""
    found = builtin_networks(engine, tenant)
    by_id = [one for one in found if is_id_prefix(name) and one.network_id.startswith(name)]
    return next((one for one in found if one.name == name), by_id[0] if by_id else None)


def containers_on(engine: Engine, builtin: Builtin) -> list[ContainerRecord]:
    """Return the owner's containers that run on it."""
    visible = engine.containers.visible(builtin.owner)
    return [
        one
        for one in visible
        if one.host.network_mode == builtin.name
        and one.networks is None
        and one.tenant == builtin.owner
        and one.run.state in ALIVE
    ]


def network_ids(engine: Engine, record: ContainerRecord) -> Mapping[str, str]:
    """Return the ids of the networks that a container is to be on and that exist, by name."""
    if record.host.network_mode in (HOST, NONE) and record.networks is None:
        builtin = _builtin(engine, record.tenant, record.host.network_mode)
        return {builtin.name: builtin.network_id}
    found = ((join.network, engine.network.find_network(record.tenant, join.network)) for join in joins_of(record))
    return {name: network.network_id for name, network in found if network is not None}


def made_ns(engine: Engine) -> int:
    """Return since when they are there: since the engine is."""
    return (engine.data_path / "engine-id").stat().st_mtime_ns


def _builtin(engine: Engine, tenant: Tenant, name: str) -> Builtin:
    return Builtin(name, builtin_network_id(engine.instance, tenant.name, name), _DRIVERS[name], tenant)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
