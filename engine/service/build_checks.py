"""What of a build's request can be seen to be wrong before anything is done."""

from engine.build.request import BuildRequest
from engine.core.cpusets import check_processors
from engine.core.hosts import hosts_file
from engine.core.limits import check_limits
from engine.core.networks import BRIDGE, NONE
from engine.core.platforms import parse_platform
from engine.core.references import parse_tagged
from engine.core.tenants import Tenant
from engine.core.ulimits import check_ulimits
from engine.service.engine import Engine
from engine.service.networks import find_network


def check_request(engine: Engine, tenant: Tenant, request: BuildRequest) -> None:
    """Raise InvalidParameter for names, limits, hosts and platforms, NotFound for the network."""
    for tag in request.tags:
        parse_tagged(tag, default_domain=engine.images.default_domain)
    if request.platform:
        parse_platform(request.platform)
    host = request.host
    check_limits(host.limits)
    check_processors(host.limits, processors=engine.host.processors, memory_nodes=engine.host.memory_nodes)
    check_ulimits(host.ulimits)
    hosts_file(hostname="", gateway="0.0.0.0", extra_hosts=host.extra_hosts)
    if host.network_mode not in (BRIDGE, NONE):
        find_network(engine, tenant, host.network_mode)
