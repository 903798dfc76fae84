"""Networks and leases on disk, as JSON: ``<root>/<network id>/network.json`` and ``<root>/<network id>/<container id>.lease``.

A network outlives the host's restart, so its record is synced. A lease does not: it is written without, which keeps the disk out
of a container's start; a daemon that is killed still finds it.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import TypeVar

from engine.core.networks import Ipam, check_ipam, check_options
from engine.core.records import dump_record, parse_record
from engine.core.tenants import parse_tenant
from engine.errors import InvalidParameter
from engine.network.model import Lease, Network
from engine.storage.files import set_aside, sync_folder, write_atomically

_log = logging.getLogger(__name__)
_NETWORK_FILE = "network.json"
_LEASE_SUFFIX = ".lease"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _NetworkRecord:
    network_id: str
    name: str
    owner: str
    subnet: str
    created_ns: int
    is_subnet_chosen: bool = False
    gateway: str = ""
    ip_range: str = ""
    auxiliary: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    subnet6: str = ""
    is_subnet6_chosen: bool = False
    gateway6: str = ""
    ip_range6: str = ""
    auxiliary6: Mapping[str, str] = field(default_factory=dict)
    attachable: bool = False
    ipam_options: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _LeaseRecord:
    container_id: str
    network_id: str
    endpoint_id: str
    address: str
    hostname: str
    aliases: tuple[str, ...]
    number: int = 0
    address6: str = ""
    mac: str = ""


class Records:
    """The records below one folder, which is made when missing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save_network(self, network: Network) -> None:
        folder = self._root / network.network_id
        folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(folder / _NETWORK_FILE, dump_record(_record_of(network)))
        sync_folder(self._root)

    def remove_network(self, network: Network) -> None:
        folder = self._root / network.network_id
        (folder / _NETWORK_FILE).unlink(missing_ok=True)  # first: what is left without it is no network
        shutil.rmtree(folder, ignore_errors=True)

    def save_lease(self, lease: Lease) -> None:
        record = _LeaseRecord(
            container_id=lease.container_id,
            network_id=lease.network_id,
            endpoint_id=lease.endpoint_id,
            address=str(lease.address),
            hostname=lease.hostname,
            aliases=lease.aliases,
            number=lease.number,
            address6=str(lease.address6 or ""),
            mac=lease.mac,
        )
        path = self._lease_path(lease)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(dump_record(record))
        temporary.rename(path)

    def remove_lease(self, lease: Lease) -> None:
        self._lease_path(lease).unlink(missing_ok=True)

    def _lease_path(self, lease: Lease) -> Path:
        return self._root / lease.network_id / f"{lease.container_id}{_LEASE_SUFFIX}"

    def load_networks(self) -> list[Network]:
        """Return all networks, oldest first. A record that cannot be read is set aside, with a message.

        A folder without any record is what a creation or removal that was cut off has left, and goes; so do halves of records.
        """
        for half in (*self._root.glob(".*.new"), *self._root.glob("*/.*.new")):
            half.unlink(missing_ok=True)
        for folder in self._root.iterdir():
            if folder.is_dir() and not any(folder.glob(f"{_NETWORK_FILE}*")):
                shutil.rmtree(folder, ignore_errors=True)
        found = (_load(path, _load_network) for path in sorted(self._root.glob(f"*/{_NETWORK_FILE}")))
        return sorted((network for network in found if network), key=lambda network: network.created_ns)

    def load_leases(self, network: Network) -> list[Lease]:
        """Return the leases of a network. A record that cannot be read is set aside, with a message."""
        paths = sorted((self._root / network.network_id).glob(f"*{_LEASE_SUFFIX}"))
        return [lease for path in paths if (lease := _load(path, _load_lease))]


def _record_of(network: Network) -> _NetworkRecord:
    ipam = network.ipam
    return _NetworkRecord(
        network_id=network.network_id,
        name=network.name,
        owner=network.owner.name,
        subnet=str(network.subnet),
        created_ns=network.created_ns,
        is_subnet_chosen=ipam.subnet is not None,
        gateway=str(ipam.gateway or ""),
        ip_range=str(ipam.ip_range or ""),
        auxiliary={name: str(address) for name, address in ipam.auxiliary.items()},
        internal=network.internal,
        labels=network.labels,
        options=network.options,
        subnet6=str(network.subnet6 or ""),
        is_subnet6_chosen=ipam.subnet6 is not None,
        gateway6=str(ipam.gateway6 or ""),
        ip_range6=str(ipam.ip_range6 or ""),
        auxiliary6={name: str(address) for name, address in ipam.auxiliary6.items()},
        attachable=network.attachable,
        ipam_options=ipam.options,
    )


def _load_network(path: Path) -> Network:
    record = parse_record(_NetworkRecord, path.read_bytes())
    if record.network_id != path.parent.name:
        raise ValueError(f"it names network {record.network_id}")
    return Network(
        network_id=record.network_id,
        name=record.name,
        owner=parse_tenant(record.owner),
        subnet=IPv4Network(record.subnet),
        created_ns=record.created_ns,
        ipam=_ipam_of(record),
        internal=record.internal,
        labels=record.labels,
        options=record.options,
        subnet6=IPv6Network(record.subnet6) if record.subnet6 else None,
        attachable=record.attachable,
    )


def _ipam_of(record: _NetworkRecord) -> Ipam:
    """Raises ValueError, InvalidParameter."""
    check_options(record.options)
    ipam = Ipam(
        subnet=IPv4Network(record.subnet) if record.is_subnet_chosen else None,
        gateway=IPv4Address(record.gateway) if record.gateway else None,
        ip_range=IPv4Network(record.ip_range) if record.ip_range else None,
        auxiliary={name: IPv4Address(address) for name, address in record.auxiliary.items()},
        subnet6=IPv6Network(record.subnet6) if record.is_subnet6_chosen else None,
        gateway6=IPv6Address(record.gateway6) if record.gateway6 else None,
        ip_range6=IPv6Network(record.ip_range6) if record.ip_range6 else None,
        auxiliary6={name: IPv6Address(address) for name, address in record.auxiliary6.items()},
        options=record.ipam_options,
    )
    check_ipam(ipam, any_subnet=True)
    return ipam


def _load_lease(path: Path) -> Lease:
    record = parse_record(_LeaseRecord, path.read_bytes())
    return Lease(
        container_id=record.container_id,
        network_id=path.parent.name,
        endpoint_id=record.endpoint_id,
        address=IPv4Address(record.address),
        hostname=record.hostname,
        aliases=record.aliases,
        number=record.number,
        address6=IPv6Address(record.address6) if record.address6 else None,
        mac=record.mac,
    )


def _load(path: Path, read: Callable[[Path], T]) -> T | None:
    try:
        return read(path)
    except (OSError, ValueError, InvalidParameter) as error:
        _log.warning("network record %s cannot be read: %s; %s", path, error, set_aside(path))
        return None
