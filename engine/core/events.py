"""Events: facts that the engine publishes, in Docker's shape. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.core.filters import Filters, matches_labels
from engine.core.tenants import Tenant

_KINDS = frozenset({"config", "container", "daemon", "image", "network", "node", "plugin", "secret", "service", "volume"})
FILTERS = _KINDS | {"event", "label", "scope", "type"}
# Their actions end with what was run or found, so these are matched by their beginning.
_WITH_DETAILS = frozenset({"exec_create", "exec_start", "health_status"})


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """``action`` of the object ``actor_id`` of ``kind`` (container, image, network); ``attributes`` hold labels and details."""

    kind: str
    action: str
    actor_id: str
    attributes: Mapping[str, str]
    tenant: Tenant
    time_ns: int

    @property
    def characters(self) -> int:
        """About how much memory it takes."""
        return len(self.action) + sum(len(name) + len(value) for name, value in self.attributes.items())


def matches_event(event: EngineEvent, filters: Filters) -> bool:
    """Whether an event passes Docker's filters; values of one filter are alternatives, filters add up."""
    return all(_matches(event, name, wanted) for name, wanted in filters.items())


def _matches(event: EngineEvent, name: str, wanted: tuple[str, ...]) -> bool:
    match name:
        case "type":
            return event.kind in wanted
        case "event":
            verb = event.action.partition(":")[0]
            return event.action in wanted or (verb in _WITH_DETAILS and verb in wanted)
        case "label":
            return matches_labels(wanted, event.attributes)
        case "scope":
            return "local" in wanted
        case "image":
            return _tells_of_image(event, wanted)
        case _:
            return event.kind == name and any(_is_actor(event, value) for value in wanted)


def _tells_of_image(event: EngineEvent, wanted: tuple[str, ...]) -> bool:
    """The image itself, or a container made of it; with or without its tag."""
    name = event.attributes.get("name" if event.kind == "image" else "image", "")
    actor_id = event.actor_id if event.kind == "image" else ""
    return any(text and (text in wanted or _without_tag(text) in wanted) for text in (actor_id, name))


def _is_actor(event: EngineEvent, value: str) -> bool:
    """As dockerd: an id or name, or its beginning."""
    return bool(value) and (event.actor_id.startswith(value) or event.attributes.get("name", "").startswith(value))


def _without_tag(name: str) -> str:
    """A colon before the last slash is that of a registry's port."""
    repository, colon, tag = name.rpartition(":")
    return repository if colon and "/" not in tag else name
