"""Ports in the body of ``POST /containers/create``: what is exposed, and what is to be published where.

Owns which of Docker's forms are taken. What a wrong value is called are dockerd's words.
"""

from engine.api.decode import Document
from engine.core.ports import PortBinding, check_count, parse_binding, parse_exposed, parse_port
from engine.errors import InvalidParameter

_HOST, _CONTAINER = "host", "container:"


def decode_exposed(body: Document) -> tuple[str, ...]:
    """Return the ports that the container exposes, as texts. Raises InvalidParameter."""
    return tuple(sorted(map(str, parse_exposed(body.keys("ExposedPorts")))))


def decode_bindings(host: Document) -> tuple[PortBinding, ...]:
    """Return what is to be published. Raises InvalidParameter."""
    ports = host.document("PortBindings")
    check_count(sum(len(places) for text in ports.keys_of() if isinstance(places := ports.get(text), list)))
    return tuple(
        parse_binding(parse_port(text), host_address=binding.text("HostIp"), host_port=binding.text("HostPort"))
        for text in ports.keys_of()
        for binding in ports.documents(text)
    )


def check_port_mode(body: Document, host: Document) -> None:
    """Whether a container of this network mode can have ports of its own. Raises InvalidParameter."""
    if not host.text("NetworkMode").startswith(_CONTAINER):
        return
    if host.is_set("PortBindings") or host.boolean("PublishAllPorts"):
        raise InvalidParameter("conflicting options: port publishing and the container type network mode")
    if body.is_set("ExposedPorts"):
        raise InvalidParameter("conflicting options: port exposing and the container type network mode")


def port_warnings(host: Document) -> list[str]:
    """Return what of the ports has no effect."""
    if host.text("NetworkMode") == _HOST and host.is_set("PortBindings"):
        return ["Published ports are discarded when using host network mode"]
    return []
