"""The files of a container that tell of its networks: ``hosts``, ``hostname`` and ``resolv.conf``, mounted into it.

Owns what is written at a start. A running container has them mounted and may have changed them: then they are written in place.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.hosts import extra_line, hosts_file
from engine.core.namespace_modes import HOST
from engine.core.networks import BRIDGE
from engine.core.resolv import embedded_resolv_conf, resolv_conf
from engine.network.model import Endpoint
from engine.network.names_redirect import RESOLVER_ADDRESS
from engine.network.resolver import host_resolv_conf
from engine.storage.rootfs import network_files_of

_RESOLV = "resolv.conf"
_ETC = Path("/etc")


def write_network_files(
    path: Path, record: ContainerRecord, endpoints: Sequence[Endpoint], *, linked: Sequence[str] = ()
) -> None:
    """Write all three; ``path`` is the container's folder, ``linked`` are lines of hosts for containers it has linked."""
    config, host = record.config, record.host
    if host.network_mode == HOST:
        _write(path, _files_of_host(record))
        return
    hosts = hosts_file(
        hostname=config.hostname,
        domainname=config.domainname,
        addresses=[address for endpoint in endpoints for address in (endpoint.address, endpoint.address6) if address],
        gateway=next((endpoint.gateway for endpoint in endpoints if endpoint.gateway), ""),
        extra_hosts=host.extra_hosts,
        linked=linked,
    )
    resolver = _resolver_text(record, asks_names=any(endpoint.name != BRIDGE for endpoint in endpoints))
    _write(path, {"hosts": hosts, "hostname": f"{config.hostname}\n", _RESOLV: resolver})


def _files_of_host(record: ContainerRecord) -> dict[str, str]:
    """Who shares the host's network resolves names as the host does."""
    host = record.host
    own_lines = "".join(f"{extra_line(text, '127.0.0.1')}\n" for text in host.extra_hosts)
    is_as_host = not (host.dns or host.dns_search or host.dns_options)
    text = resolv_conf(_read(_ETC / _RESOLV), nameservers=host.dns, search=host.dns_search, options=host.dns_options)
    return {
        "hosts": _read(_ETC / "hosts") + own_lines,
        "hostname": f"{record.config.hostname}\n",
        _RESOLV: _read(_ETC / _RESOLV) if is_as_host else text,
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _write(path: Path, texts: Mapping[str, str]) -> None:
    path = network_files_of(path)
    for name, text in texts.items():
        (path / name).write_text(text)
        (path / name).chmod(0o644)


def _resolver_text(record: ContainerRecord, *, asks_names: bool) -> str:
    host = record.host
    if asks_names:
        return embedded_resolv_conf(host_resolv_conf(), RESOLVER_ADDRESS, search=host.dns_search, options=host.dns_options)
    return resolv_conf(host_resolv_conf(), nameservers=host.dns, search=host.dns_search, options=host.dns_options)


def turn_to_names(path: Path, record: ContainerRecord) -> None:
    """A running container has come to its first network of a user's: from now on it asks the engine's resolver, as with dockerd.

    A file that the container has changed, or that cannot be written, stays as it is.
    """
    file = network_files_of(path) / _RESOLV
    with suppress(OSError, UnicodeDecodeError):
        former = _resolver_text(record, asks_names=False)
        if file.stat().st_size == len(former.encode()) and file.read_text() == former:
            file.write_text(_resolver_text(record, asks_names=True))
