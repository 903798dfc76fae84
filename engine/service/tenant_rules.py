"""What the rules of a tenant forbid, asked at each door before anything is done.

Owns the words of the refusals and which rule stands before which deed; who may set rules is told elsewhere. Nothing here waits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.core.destinations import Reach
from engine.core.ports import PortBinding
from engine.core.references import Reference, parse_reference, with_default_tag
from engine.core.tenants import Tenant
from engine.errors import Forbidden
from engine.image.store import SCRATCH, Image
from engine.service.engine import Engine
from engine.tenants.rules import Permissions

_MOST_SHOWN = 8


def check_use(engine: Engine, tenant: Tenant, image: Image, name: str) -> None:
    """Raise Forbidden for an image that no container and no build may begin with.

    Its sources count, not what the tenant calls it: else a tag would make any image one that is allowed.
    """
    permissions = engine.tenants.permissions(tenant)
    if not permissions.images:
        return
    sources = engine.images.sources(tenant, image)
    if not any(permissions.allows_image(parse_reference(source)) for source in sources):
        whence = f"it comes from {sources[0]}" if sources else "nothing tells whence it comes"
        raise _no_image(tenant, f"{name[:100]} ({whence})", permissions)


def may_use(engine: Engine, tenant: Tenant, image: Image) -> bool:
    """Whether check_use has nothing against an image."""
    try:
        check_use(engine, tenant, image, image.id)
    except Forbidden:
        return False
    return True


def check_scratch(engine: Engine, tenant: Tenant) -> None:
    """Raise Forbidden where a build may not begin with nothing: what is copied to there may be any image."""
    permissions = engine.tenants.permissions(tenant)
    if not permissions.allows_image(Reference("", SCRATCH)):
        raise _no_image(tenant, SCRATCH, permissions)


def check_pull(engine: Engine, tenant: Tenant, references: Iterable[Reference]) -> None:
    """Raise Forbidden for names that may not be pulled."""
    permissions = engine.tenants.permissions(tenant)
    for reference in references:
        if not permissions.allows_image(with_default_tag(reference)):
            raise _no_image(tenant, reference.text, permissions)


def check_archive(engine: Engine, tenant: Tenant) -> None:
    """Raise Forbidden where no foreign image may come as a file: what an archive calls its images proves nothing."""
    permissions = engine.tenants.permissions(tenant)
    check_fetch(engine, tenant, "an image from an archive")
    if permissions.images:
        raise _no_image(tenant, "of an archive, whatever it is called there,", permissions)


def check_fetch(engine: Engine, tenant: Tenant, what: str) -> None:
    """Raise Forbidden where nothing may be brought in from outside."""
    if not engine.tenants.permissions(tenant).pull:
        raise Forbidden(
            f"{what} cannot be fetched: {tenant.name} may not pull; use an image that is here, or ask an administrator"
        )


def check_download(engine: Engine, tenant: Tenant, url: str) -> Reach:
    """Return where a file of a build may come from. Raises Forbidden where no name may even be looked up for it."""
    check_fetch(engine, tenant, url)
    reach = engine.tenants.permissions(tenant).reach
    if reach == ():
        raise Forbidden(f"{url} cannot be fetched: {tenant.name} may reach nothing outside; put the file into the context")
    return reach


def check_look(engine: Engine, tenant: Tenant, domain: str, what: str) -> None:
    """Raise Forbidden where a registry may not be asked what it has: a question tells it something, an answer brings it in."""
    check_fetch(engine, tenant, what)
    permissions = engine.tenants.permissions(tenant)
    if not permissions.allows_registry(domain):
        raise _no_image(tenant, f"of registry {domain[:100]}", permissions)


def check_sign_in(engine: Engine, tenant: Tenant, domain: str) -> None:
    """Raise Forbidden where there is nothing to sign in for: no pull from a registry, and no push."""
    if not engine.tenants.permissions(tenant).push:
        check_look(engine, tenant, domain, f"a token of registry {domain[:100]}")


def check_build(engine: Engine, tenant: Tenant) -> None:
    """Raise Forbidden where no image may be made, by a build or from a container."""
    if not engine.tenants.permissions(tenant).build:
        raise Forbidden(
            f"no image can be made: {tenant.name} may not build or commit; use an image that is here, or ask an administrator"
        )


def check_push(engine: Engine, tenant: Tenant, reference: Reference) -> None:
    """Raise Forbidden where nothing may be sent to registries."""
    if not engine.tenants.permissions(tenant).push:
        raise Forbidden(f"image {reference.text} cannot be pushed: {tenant.name} may not push; ask an administrator")


def check_ports(engine: Engine, tenant: Tenant, bindings: Sequence[PortBinding], *, publishes_all: bool = False) -> None:
    """Raise Forbidden for ports of the host that may not be published."""
    if tenant.is_administrator or not (bindings or publishes_all):
        return
    permissions = engine.tenants.permissions(tenant)
    if not permissions.publish:
        raise Forbidden(f"no port can be published: {tenant.name} may not publish; leave -p and -P out, or ask an administrator")
    for binding in bindings:
        first, last = binding.first_host_port, binding.last_host_port
        if binding.first_host_port and not (permissions.allows_port(first) and permissions.allows_port(last)):
            raise Forbidden(
                f"port {binding.host_port_text} of the host cannot be published: {tenant.name} may publish"
                f" {_words(permissions.ports)}; choose one of those, or leave the host's port out"
            )


def permitted_bindings(engine: Engine, tenant: Tenant, wanted: Sequence[PortBinding]) -> tuple[PortBinding, ...]:
    """Return what a start publishes, ports that nobody named being drawn from a tenant's range. Raises Forbidden."""
    check_ports(engine, tenant, wanted)
    drawn = engine.tenants.permissions(tenant).draws_ports
    if drawn is None:
        return tuple(wanted)
    if not drawn and any(not one.first_host_port for one in wanted):
        raise Forbidden(f"no port can be published: the port ranges of {tenant.name} and of its team have none in common")
    first, last = drawn.start, drawn.stop - 1
    return tuple(one if one.first_host_port else replace(one, first_host_port=first, last_host_port=last) for one in wanted)


def _words(ports: range) -> str:
    return f"{ports.start} to {ports.stop - 1}" if ports else "none"


def _no_image(tenant: Tenant, name: str, permissions: Permissions) -> Forbidden:
    lists = ", and of these ".join(map(_listed, permissions.images))
    return Forbidden(f"image {name} may not be used: {tenant.name} may use {lists}; choose one of those, or ask an administrator")


def _listed(patterns: Sequence[str]) -> str:
    more = f" and {len(patterns) - _MOST_SHOWN} more" if len(patterns) > _MOST_SHOWN else ""
    return ", ".join(patterns[:_MOST_SHOWN]) + more if patterns else "none"
