"""Events: facts that the engine publishes, in Docker's shape. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.core.filters import Filters, matches_labels
from engine.core.tenants import Tenant

FILTERS = frozenset({"container", "event", "image", "label", "network", "type", "volume", "scope", "daemon"})


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """``action`` of the object ``actor_id`` of ``kind`` (container, image, network); ``attributes`` hold labels and details."""

    kind: str
    action: str
    actor_id: str
    attributes: Mapping[str, str]
    tenant: Tenant
    time_ns: int


def matches_event(event: EngineEvent, filters: Filters) -> bool:
    """Whether an event passes Docker's filters; values of one filter are alternatives, filters add up."""
    return all(_matches(event, name, wanted) for name, wanted in filters.items())


def _matches(event: EngineEvent, name: str, wanted: tuple[str, ...]) -> bool:
    match name:
        case "type":
            return event.kind in wanted
        case "event":
            return event.action in wanted or event.action.partition(":")[0] in wanted
        case "label":
            return matches_labels(wanted, event.attributes)
        case "scope":
            return "local" in wanted
        case "image" if event.kind == "container":
            return event.attributes.get("image") in wanted
        case _:
            return event.kind == name and any(_is_actor(event, value) for value in wanted)


def _is_actor(event: EngineEvent, value: str) -> bool:
    return bool(value) and (event.actor_id.startswith(value) or event.attributes.get("name") == value)
