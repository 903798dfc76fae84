"""What a tenant has of its host, so that programs that ask size themselves right: the least of own, team's and host's."""

import math

from engine.core.tenants import Tenant
from engine.service.engine import Engine


def cpus_of(engine: Engine, tenant: Tenant) -> int:
    """Return how many processors a tenant's containers may keep busy, rounded up."""
    limits = (engine.tenants.limits(scope).cpus for scope in tenant.scopes)
    return min([engine.host.cpus, *(math.ceil(limit) for limit in limits if limit is not None)])


def memory_of(engine: Engine, tenant: Tenant) -> int:
    """Return how many bytes of memory a tenant's containers may have together."""
    limits = (engine.tenants.limits(scope).memory for scope in tenant.scopes)
    return min([engine.host.memory_bytes, *(limit for limit in limits if limit is not None)])
