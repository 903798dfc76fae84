"""Networks of users: make, look up, list, remove, prune; and what is told of them.

Owns the use cases that change no container. Every look-up has a tenant; a container joins networks of its own tenant only.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from engine.core.filters import Filters, matches_labels, matches_name, parse_bool
from engine.core.ids import is_id_prefix
from engine.core.networks import PREDEFINED, NetworkRequest, check_host_options, check_ipam, check_network_name
from engine.core.tenants import Tenant
from engine.core.timeformat import parse_time
from engine.errors import Conflict, Forbidden, InvalidParameter, NotFound
from engine.network.model import Network
from engine.service.engine import Engine

FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
PRUNE_FILTERS = frozenset({"until", "label", "label!"})


async def create_network(engine: Engine, tenant: Tenant, request: NetworkRequest) -> Network:
    """Make a network. Raises InvalidParameter, Conflict for its name, Forbidden, QuotaExceeded, Unavailable, Fault."""
    check_network_name(request.name)
    check_ipam(request.ipam, any_subnet=tenant.is_administrator)
    check_host_options(request.options, is_administrator=tenant.is_administrator)
    network = await engine.network.create_network(tenant, request)
    publish_network(engine, network, "create")
    return network


def find_network(engine: Engine, tenant: Tenant, name: str) -> Network:
    """Look up by id, by name, own ones first, then by beginning of an id. Raises NotFound, InvalidParameter, Conflict."""
    exact = engine.network.get_network(name)
    if exact is not None and tenant.sees(exact.owner):
        return exact
    visible = engine.network.list_networks(tenant)
    named = [network for network in visible if network.name == name]
    own = [network for network in named if network.owner == tenant]
    if own or len(named) == 1:
        return (own or named)[0]
    if named:
        owners = ", ".join(sorted(network.owner.name or "administrators" for network in named))
        raise Conflict(f"network {name} belongs to several tenants ({owners}): use the id")
    found = [network for network in visible if network.network_id.startswith(name)] if is_id_prefix(name) else []
    if len(found) > 1:
        raise InvalidParameter(f"network {name} is ambiguous ({len(found)} matches found on name): give more of its id")
    if not found:
        raise NotFound(f"network {name} not found")
    return found[0]


def list_networks(engine: Engine, tenant: Tenant, *, filters: Filters) -> list[Network]:
    """List what the tenant sees. Raises InvalidParameter."""
    tests = network_tests(engine, filters)
    return [network for network in engine.network.list_networks(tenant) if all(test(network) for test in tests)]


async def remove_network(engine: Engine, tenant: Tenant, name: str) -> None:
    """Remove a network that no running container is on. Raises NotFound, Forbidden, Fault."""
    network = None if name in PREDEFINED else find_network(engine, tenant, name)
    if network is None or network.is_default:
        raise Forbidden(f"{name} is a pre-defined network and cannot be removed")
    await engine.network.remove_network(network)
    publish_network(engine, network, "destroy")


async def prune_networks(engine: Engine, tenant: Tenant, *, filters: Filters, now_ns: int, is_trial: bool = False) -> list[str]:
    """Remove the tenant's own networks that no running container is on; those of others that it may see stay. Return names.

    A trial changes and tells nothing.
    """
    is_wanted = _prune_test(filters, now_ns)
    pruned = []
    for network in engine.network.list_networks(tenant):
        if network.owner != tenant or network.is_default or engine.network.endpoints(network) or not is_wanted(network):
            continue
        if is_trial:
            pruned.append(network.name)
            continue
        with suppress(NotFound, Forbidden):  # somebody else was faster, or has taken it into use
            await engine.network.remove_network(network)
            pruned.append(network.name)
            publish_network(engine, network, "destroy")
    if is_trial:
        return pruned
    engine.events.publish("network", "prune", "", {"reclaimed": "0"}, tenant=tenant)
    return pruned


def publish_network(engine: Engine, network: Network, action: str, **attributes: str) -> None:
    """Tell what happened to a network."""
    told = {"name": network.name, "type": network.driver, **attributes}
    engine.events.publish("network", action, network.network_id, told, tenant=network.owner)


class Shown(Protocol):
    """What filters look at."""

    @property
    def network_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def is_default(self) -> bool: ...


Test = Callable[[Shown], bool]


def network_tests(engine: Engine, filters: Filters) -> list[Test]:
    """Return what a network has to pass to be listed. Raises InvalidParameter."""
    return [_test(engine, name, values) for name, values in filters.items()]


def _test(engine: Engine, name: str, values: tuple[str, ...]) -> Test:
    match name:
        case "id":
            return lambda network: any(value in network.network_id for value in values)
        case "name":
            return lambda network: matches_name(values, [network.name])
        case "label":
            return lambda network: matches_labels(values, network.labels)
        case "type":
            return _type_test(values)
        case "driver" | "scope":  # of scopes there is but one
            return lambda network: (network.driver if name == "driver" else "local") in values
        case _:
            return _dangling_test(engine, parse_bool(values, name=name))


def _type_test(values: tuple[str, ...]) -> Test:
    if unknown := set(values) - {"custom", "builtin"}:
        raise InvalidParameter(f"invalid filter: 'type'={sorted(unknown)[0][:40]!r}: use custom or builtin")
    return lambda network: ("builtin" if network.is_default else "custom") in values


def _dangling_test(engine: Engine, is_wanted: bool) -> Test:
    return lambda network: is_wanted != (network.is_default or engine.network.is_in_use(network.network_id))


def _prune_test(filters: Filters, now_ns: int) -> Callable[[Network], bool]:
    until = filters.get("until", ())
    if len(until) > 1:
        raise InvalidParameter("invalid filter 'until': give one time")
    until_ns = parse_time(until[0], now_ns=now_ns) if until else None
    wanted, unwanted = filters.get("label", ()), filters.get("label!", ())

    def test(network: Network) -> bool:
        is_old = until_ns is None or network.created_ns <= until_ns
        return is_old and matches_labels(wanted, network.labels) and not (unwanted and matches_labels(unwanted, network.labels))

    return test
