"""Which namespaces a container shares, as Docker writes it: ``host``, ``container:<name>``. Pure."""

from engine.errors import InvalidParameter

HOST = "host"
_CONTAINER = "container:"
_ALLOWED = {
    "IpcMode": ("none", "private", "shareable", HOST),
    "PidMode": (HOST,),
    "UTSMode": (HOST,),
    "CgroupnsMode": ("private", HOST),
    "UsernsMode": (HOST,),
}
_JOINABLE = ("IpcMode", "PidMode")


def check_mode(field: str, mode: str) -> str:
    """Return a mode as it came, empty for the default. Raises InvalidParameter."""
    if not mode or mode in _ALLOWED[field]:
        return mode
    if field in _JOINABLE and mode.startswith(_CONTAINER):
        if not mode.removeprefix(_CONTAINER):
            raise InvalidParameter(f"invalid {field} {mode!r}: name the container after the colon")
        return mode
    ways = ", ".join([*_ALLOWED[field], *(["container:<name>"] if field in _JOINABLE else [])])
    raise InvalidParameter(f"invalid {field} {mode[:60]!r}: use one of {ways}")


def joined_container(mode: str) -> str:
    """Return the name or id of the container whose namespace is shared, empty for none."""
    return mode.removeprefix(_CONTAINER) if mode.startswith(_CONTAINER) else ""


def has_own_network(mode: str) -> bool:
    """Whether a network mode gives a container a network namespace of its own."""
    return mode != HOST and not mode.startswith(_CONTAINER)


def join_mode(container_id: str) -> str:
    """Return the mode that shares the namespace of a container."""
    return f"{_CONTAINER}{container_id}"
