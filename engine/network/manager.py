"""The network room's door: asyncio in front, one worker thread behind, since every call into the kernel blocks.

The thread's network namespace is the host's; its work is done in the order it is asked for.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from engine.core.addresses import DEFAULT_POOLS, Pool, default_pool6
from engine.core.admitting import Admit, admit_all
from engine.core.destinations import Reach
from engine.core.networks import NetworkRequest
from engine.core.ports import PortBinding, PublishedPort
from engine.core.tenants import Tenant
from engine.errors import Fault, Unavailable, reason_of
from engine.linux.link_watch import LinkWatch
from engine.linux.nftables import TableWatch
from engine.network.attachments import Attachments, Guest
from engine.network.ledger import Ledger
from engine.network.model import Endpoint, Network, endpoint_of
from engine.network.names import bridge_prefix, check_instance, rate_device_names
from engine.network.names_client import NameServer
from engine.network.names_upkeep import NamesUpkeep
from engine.network.port_records import PortRecords
from engine.network.rate_probe import NEEDED
from engine.network.rates import Rates
from engine.network.reaches import Reaches
from engine.network.records import Records
from engine.network.traffic_counts import Traffic

_log = logging.getLogger(__name__)
_REVIVAL_SECONDS = 1.0
P = ParamSpec("P")
T = TypeVar("T")


class NetworkManager:
    """Networks and endpoints of one engine.

    ``data_path`` is the engine's data folder (records lie in ``networks`` below it); ``instance`` are 6 hexadecimal digits in the
    names of all devices and tables, so that several engines can share a host; subnets are cut from ``pools``. The
    resolver's socket lies in ``run_path``; without that there is no resolver.
    """

    def __init__(
        self,
        *,
        data_path: Path,
        instance: str,
        run_path: Path | None = None,
        pools: Sequence[Pool] = DEFAULT_POOLS,
        sweep_delay_seconds: float = 5.0,
        admit: Admit = admit_all,
        reaches: Callable[[], Mapping[Tenant, Reach]] = dict,
    ) -> None:
        self._records_path = data_path / "networks"
        self._instance = check_instance(instance)
        self._run_path = run_path
        self._resolver_pidfd = -1
        self._server: NameServer | None = None
        self._pools = tuple(pools)
        self._sweep_delay_seconds = sweep_delay_seconds
        self._admit = admit
        self._first_reaches = reaches
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="network")
        self._opened: Attachments | None = None
        self._watch: TableWatch | None = None
        self._link_watch: LinkWatch | None = None
        self._sweep: asyncio.Task[None] | None = None
        self._restoring: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Load the records and put the firewall in place. Raises Unavailable when the host cannot do networks."""
        loop = asyncio.get_running_loop()
        if self._run_path is not None:
            self._server = NameServer(self._run_path, on_started=partial(_later, loop, self._watch_resolver))
        try:
            self._watch = TableWatch()
            self._link_watch = LinkWatch((bridge_prefix(self._instance), *rate_device_names(self._instance)))
            self._opened = await self._run(self._load)
        except OSError as error:
            self._close_watch()
            raise Unavailable(f"cannot set up networks on this host: {error}") from error
        loop.add_reader(self._watch, self._on_firewall_change)
        loop.add_reader(self._link_watch, self._on_device_end)

    def _load(self) -> Attachments:
        has_pool6 = any(pool.network.version == 6 for pool in self._pools)
        pools = self._pools if has_pool6 else (*self._pools, default_pool6(self._instance))
        reaches = Reaches(self._first_reaches())
        ledger = Ledger(Records(self._records_path), pools, instance=self._instance)
        return Attachments(
            instance=self._instance,
            ledger=ledger,
            port_records=PortRecords(self._records_path),
            names=NamesUpkeep(ledger, self._server, reaches),
            reaches=reaches,
            admit=self._admit,
        )

    async def close(self, *, remove: bool) -> None:
        """Let go of the kernel; with ``remove`` take all devices and rules away, for when no container runs."""
        for task in (*self._restoring, *([self._sweep] if self._sweep else [])):
            task.cancel()
        self._sweep = None
        self._close_watch()
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await self._run(_close, opened, remove)
        self._watch_resolver(-1)
        if self._server is not None:
            server, self._server = self._server, None
            await self._run(partial(server.close, remove=remove))
        self._worker.shutdown()

    async def serve_names(self, guests: Sequence[Guest], netns: Mapping[str, int]) -> None:
        """After a restart and ``reconcile``: have names answered in running containers again.

        ``netns`` are descriptors of their network namespaces, which stay the caller's. Raises Fault.
        """
        await self._do("start the resolver of containers", partial(self._attachments.restore_names, guests, dict(netns)))

    def _watch_resolver(self, pidfd: int) -> None:
        """Take note of the end of this process, in place of the last one's. The descriptor is a duplicate of our own."""
        if self._resolver_pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._resolver_pidfd)
            os.close(self._resolver_pidfd)
        self._resolver_pidfd = pidfd
        if pidfd >= 0:
            asyncio.get_running_loop().add_reader(pidfd, self._on_resolver_end)

    def _on_resolver_end(self) -> None:
        self._watch_resolver(-1)
        task = asyncio.create_task(self._revive_resolver())
        self._restoring.add(task)
        task.add_done_callback(self._restoring.discard)

    async def _revive_resolver(self) -> None:
        while self._server is not None:
            try:
                await self._run(self._server.revive)
            except OSError as error:
                _log.error("containers are without names: %s", error)
                await asyncio.sleep(_REVIVAL_SECONDS)
            else:
                return

    async def create_network(self, tenant: Tenant, request: NetworkRequest) -> Network:
        """Make a network. Raises Conflict for its name, Forbidden for its subnet, QuotaExceeded, Unavailable, Fault."""
        return await self._do(f"make network {request.name}", partial(self._attachments.create_network, tenant, request))

    async def remove_network(self, network: Network) -> None:
        """Remove a network that no running container is on. Raises NotFound, Forbidden, Fault."""
        await self._do(f"remove network {network.name}", partial(self._attachments.bridges.remove, network.network_id))

    async def join(self, guest: Guest, netns_fd: int) -> Endpoint:
        """Put a running container on one further network. ``netns_fd`` stays the caller's. Raises as ``attach``."""
        work = _with_copy(self._attachments.join, netns_fd)
        what = f"connect container {guest.container_id[:12]} to network {guest.joins[0].network}"
        return await self._do(what, partial(work, guest))

    async def leave(self, container_id: str, network_id: str, netns_fd: int) -> Endpoint:
        """Take a running container off a network. ``netns_fd`` stays the caller's. Raises NotFound, Fault."""
        work = _with_copy(self._attachments.leave, netns_fd)
        what = f"disconnect container {container_id[:12]} from its network"
        return await self._do(what, partial(work, container_id, network_id))

    async def reserve(self, guest: Guest) -> tuple[Endpoint, ...]:
        """Do the part of ``attach`` that needs no network namespace ahead of it, while there is none yet.

        ``attach`` or ``detach`` must follow. Raises as ``attach``.
        """
        return await self._change(guest.container_id, partial(self._attachments.reserve, guest))

    async def attach(self, guest: Guest, netns_fd: int) -> tuple[Endpoint, ...]:
        """Put a container on its networks; its tenant's own default one is made when missing.

        The veths are put into ``netns_fd``, configured by the endpoints' ``netlink`` messages from inside. ``netns_fd`` stays the
        caller's. Endpoints the container still has are replaced. On failure, and when cancelled, nothing stays behind.

        Raises NotFound for a network, InvalidParameter and Forbidden for an address that was asked for, Unavailable when no
        subnet or address is free, and Fault.
        """
        work = _with_copy(self._attachments.attach, netns_fd)
        return await self._change(guest.container_id, partial(work, guest))

    async def publish(self, container_id: str, wanted: Sequence[PortBinding], *, name: str = "") -> tuple[PublishedPort, ...]:
        """Lead ports of the host to a container that is attached, in place of what it had published; ``detach`` ends that.

        Nothing is published for one without a network that leads out of the host. On failure nothing of it stays. Raises
        Conflict for a port that is taken, Unavailable, QuotaExceeded, Fault.
        """
        work = partial(self._attachments.publications.add, container_id, name or container_id[:12], wanted)
        return await self._do(f"publish ports of container {container_id[:12]}", work)

    def published(self, container_id: str) -> tuple[PublishedPort, ...]:
        """Return what a container has published now."""
        return self._attachments.publications.of(container_id)

    def count_ports(self, tenant: Tenant) -> int:
        """Return how many ports of the host a tenant and its members publish."""
        return self._attachments.publications.count(tenant)

    def count_networks(self, tenant: Tenant) -> int:
        """Return how many networks a tenant and its members have made."""
        return self._attachments.ledger.count_networks(tenant)

    async def _do(self, what: str, work: Callable[[], T]) -> T:
        """To its end, also for a caller that has gone. Raises Fault in place of OSError."""
        try:
            return await asyncio.shield(self._run(work))
        except OSError as error:
            raise Fault(f"cannot {what}: {reason_of(error)}") from error

    async def _change(self, container_id: str, work: Callable[[], T]) -> T:
        try:
            # Shielded, as work that was dropped from the queue would never close what it was given.
            return await asyncio.shield(self._run(work))
        except asyncio.CancelledError:
            self._worker.submit(self._attachments.detach, container_id)
            self._sweep_soon()
            raise
        except OSError as error:
            raise Fault(f"cannot attach container {container_id[:12]} to its network: {reason_of(error)}") from error

    async def rename(self, container_id: str, *, old: str, new: str) -> None:
        """Let a container be known by another name on its network. Does nothing for one without an address. Raises Fault."""
        try:
            await self._run(partial(self._attachments.rename, container_id, old=old, new=new))
        except OSError as error:
            raise Fault(f"cannot rename container {container_id[:12]} on its network: {reason_of(error)}") from error

    async def detach(self, container_id: str) -> None:
        """Give the container's address back. Does nothing for one without. Raises Fault."""
        try:
            had_endpoint = await self._run(self._attachments.detach, container_id)
        except OSError as error:
            raise Fault(f"cannot detach container {container_id[:12]} from its network: {reason_of(error)}") from error
        if had_endpoint:
            self._sweep_soon()

    def _sweep_soon(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.create_task(self._sweep_later())

    async def _sweep_later(self) -> None:
        await asyncio.sleep(self._sweep_delay_seconds)
        self._sweep = None
        try:
            await self._run(self._attachments.sweep)
        except OSError as error:
            _log.warning("cannot remove the interfaces of containers that are gone: %s", error)

    def _close_watch(self) -> None:
        for watch in (self._watch, self._link_watch):
            if watch is not None:
                asyncio.get_running_loop().remove_reader(watch)
                watch.close()
        self._watch = self._link_watch = None

    def _on_firewall_change(self) -> None:
        """`nft flush ruleset`, as a restart of the distribution's firewall service runs it, takes our rules along."""
        if self._watch is not None and self._watch.saw_deletion():
            self._restore("containers are without firewall rules until the next one starts", Attachments.restore_firewall)

    def _on_device_end(self) -> None:
        """Services that manage a host's network remove what they do not know; so do people."""
        if self._link_watch is not None and self._link_watch.saw_deletion():
            self._restore("containers may be without network until they start anew", Attachments.restore_devices)

    def _restore(self, otherwise: str, work: Callable[[Attachments], None]) -> None:
        task = asyncio.create_task(self._try_restore(otherwise, work))
        self._restoring.add(task)
        task.add_done_callback(self._restoring.discard)

    async def _try_restore(self, otherwise: str, work: Callable[[Attachments], None]) -> None:
        try:
            await self._run(work, self._attachments)
        except OSError as error:
            _log.error("%s: %s", otherwise, error)

    async def reconcile(self, live: Mapping[str, Collection[str] | None]) -> None:
        """After a restart: give back what is held by containers not in ``live``, or on other networks than it names for them.

        None stands for all. Raises Fault.
        """
        try:
            await self._run(self._attachments.reconcile, dict(live))
        except OSError as error:
            raise Fault(f"cannot clean up networks: {error}") from error

    async def set_rates(self, scope: Tenant | str, rates: Rates) -> None:
        """Limit what a tenant, or a container by its id, receives and sends from now on. Raises Unavailable, as it was then."""
        try:
            await asyncio.shield(self._run(self._attachments.shaper.set_rates, scope, rates))
        except OSError as error:
            raise Unavailable(f"this host cannot limit network rates: {reason_of(error)}; it takes {NEEDED}") from error

    async def set_reaches(self, by_tenant: Mapping[Tenant, Reach]) -> None:
        """Let tenants reach other places outside of the host from now on, what runs as well. Raises Fault."""
        await self._do("change what tenants reach outside", partial(self._attachments.set_reaches, by_tenant))

    async def traffic(self, tenant: Tenant) -> Traffic:
        """Return what a tenant's containers have received and sent since the daemon's start, its members' included."""
        return (await self.traffics([tenant]))[tenant]

    async def traffics(self, tenants: Sequence[Tenant]) -> dict[Tenant, Traffic]:
        """Return that of several tenants at once."""
        return await self._run(self._attachments.shaper.traffics, tenants)

    def endpoint(self, container_id: str) -> Endpoint | None:
        """Return a container's first attachment, without its messages."""
        return next(iter(self.endpoints_of(container_id)), None)

    def endpoints_of(self, container_id: str) -> tuple[Endpoint, ...]:
        """Return a container's attachments in the order of its interfaces."""
        ledger = self._attachments.ledger
        return tuple(endpoint_of(ledger.networks[lease.network_id], lease) for lease in ledger.leases.get(container_id, ()))

    def is_in_use(self, network_id: str) -> bool:
        """Whether any running container is on a network."""
        network = self.get_network(network_id)
        return network is not None and bool(self._attachments.ledger.leases_of(network))

    def endpoints(self, network: Network) -> list[Endpoint]:
        """Return all attachments to a network."""
        return [endpoint_of(network, lease) for lease in self._attachments.ledger.leases_of(network)]

    def list_networks(self, tenant: Tenant) -> list[Network]:
        """Return the networks that exist for a tenant, oldest first. A tenant's own is made with its first container."""
        return [network for network in list(self._attachments.ledger.networks.values()) if tenant.sees(network.owner)]

    def find_network(self, owner: Tenant, name: str) -> Network | None:
        """Return the owner's network of a name."""
        return self._attachments.ledger.find_network(owner, name)

    def get_network(self, network_id: str) -> Network | None:
        """Return a network by its full id."""
        return self._attachments.ledger.networks.get(network_id)

    @property
    def _attachments(self) -> Attachments:
        if self._opened is None:
            raise Unavailable("networks are not set up: the engine is starting or stopping")
        return self._opened

    def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._worker, partial(function, *args, **kwargs))


def _later(loop: asyncio.AbstractEventLoop, handler: Callable[[int], None], descriptor: int) -> None:
    loop.call_soon_threadsafe(handler, descriptor)


def _with_copy(work: Callable[..., T], descriptor: int) -> Callable[..., T]:
    """Hand a duplicate on as the last argument: the caller may be cancelled and close its one while the thread is at work."""
    copy = os.dup(descriptor)

    def closing(*arguments: object) -> T:
        try:
            return work(*arguments, copy)
        finally:
            os.close(copy)

    return closing


def _close(opened: Attachments, remove: bool) -> None:
    try:
        if remove:
            opened.remove_all()
    finally:
        opened.close()
