"""The network room's door: asyncio in front, one worker thread behind, since every call into the kernel blocks.

The thread's network namespace is the host's; its work is done in the order it is asked for.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from engine.core.addresses import DEFAULT_POOLS, Pool
from engine.core.tenants import Tenant
from engine.errors import Fault, Unavailable, reason_of
from engine.linux.nftables import TableWatch
from engine.network.attachments import Attachments
from engine.network.ledger import Ledger
from engine.network.model import Endpoint, Network, endpoint_of
from engine.network.names import check_instance
from engine.network.records import Records

_log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class NetworkManager:
    """Networks and endpoints of one engine.

    ``data_path`` is the engine's data folder (records lie in ``networks`` below it); ``instance`` are 6 hexadecimal digits in the
    names of all devices and tables, so that several engines can share a host; subnets are cut from ``pools``.
    """

    def __init__(
        self,
        *,
        data_path: Path,
        instance: str,
        pools: Sequence[Pool] = DEFAULT_POOLS,
        sweep_delay_seconds: float = 5.0,
    ) -> None:
        self._records_path = data_path / "networks"
        self._instance = check_instance(instance)
        self._pools = tuple(pools)
        self._sweep_delay_seconds = sweep_delay_seconds
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="network")
        self._opened: Attachments | None = None
        self._watch: TableWatch | None = None
        self._sweep: asyncio.Task[None] | None = None
        self._restoring: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Load the records and put the firewall in place. Raises Unavailable when the host cannot do networks."""
        try:
            self._watch = TableWatch()
            self._opened = await self._run(self._load)
        except OSError as error:
            self._close_watch()
            raise Unavailable(f"cannot set up networks on this host: {error}") from error
        asyncio.get_running_loop().add_reader(self._watch, self._on_firewall_change)

    def _load(self) -> Attachments:
        ledger = Ledger(Records(self._records_path), self._pools)
        return Attachments(instance=self._instance, ledger=ledger)

    async def close(self, *, remove: bool) -> None:
        """Let go of the kernel; with ``remove`` take all devices and rules away, for when no container runs."""
        for task in (*self._restoring, *([self._sweep] if self._sweep else [])):
            task.cancel()
        self._sweep = None
        self._close_watch()
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await self._run(_close, opened, remove)
        self._worker.shutdown()

    async def reserve(self, *, container_id: str, tenant: Tenant, hostname: str, aliases: Sequence[str] = ()) -> Endpoint:
        """Do the part of ``attach`` that needs no network namespace ahead of it, while there is none yet.

        ``attach`` or ``detach`` must follow. Raises as ``attach``.
        """
        reserve = partial(self._attachments.reserve, container_id=container_id, tenant=tenant, hostname=hostname)
        return await self._change(container_id, partial(reserve, aliases=tuple(aliases)))

    async def attach(
        self, *, container_id: str, tenant: Tenant, netns_fd: int, hostname: str, aliases: Sequence[str] = ()
    ) -> Endpoint:
        """Put a container on its tenant's own network, which is made when missing.

        The veth is put into ``netns_fd``, configured by the endpoint's ``netlink`` messages from inside. ``netns_fd`` stays the
        caller's. An endpoint the container still has is replaced. On failure, and when cancelled, nothing stays behind.

        Raises Unavailable when no subnet or address is free, and Fault.
        """
        # Our own descriptor: the caller may be cancelled and close its one while the thread is still at work.
        attachments = self._attachments
        netns_copy = os.dup(netns_fd)

        def attach() -> Endpoint:
            try:
                return attachments.attach(
                    container_id=container_id, tenant=tenant, netns_fd=netns_copy, hostname=hostname, aliases=tuple(aliases)
                )
            finally:
                os.close(netns_copy)

        return await self._change(container_id, attach)

    async def _change(self, container_id: str, work: Callable[[], Endpoint]) -> Endpoint:
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
            await self._run(partial(self._attachments.ledger.rename_lease, container_id, old=old, new=new))
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
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch)
            self._watch.close()
            self._watch = None

    def _on_firewall_change(self) -> None:
        """`nft flush ruleset`, as a restart of the distribution's firewall service runs it, takes our rules along."""
        if self._watch is not None and self._watch.saw_deletion():
            task = asyncio.create_task(self._restore_firewall())
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)

    async def _restore_firewall(self) -> None:
        try:
            await self._run(self._attachments.restore_firewall)
        except OSError as error:
            _log.error("containers are without firewall rules until the next one starts: %s", error)

    async def reconcile(self, live: Collection[str]) -> None:
        """After a restart: give back what is held by containers not in ``live``. Raises Fault."""
        try:
            await self._run(self._attachments.reconcile, frozenset(live))
        except OSError as error:
            raise Fault(f"cannot clean up networks: {error}") from error

    def endpoint(self, container_id: str) -> Endpoint | None:
        """Return a container's attachment, without its messages."""
        ledger = self._attachments.ledger
        lease = ledger.leases.get(container_id)
        return endpoint_of(ledger.networks[lease.network_id], lease) if lease else None

    def endpoints(self, network: Network) -> list[Endpoint]:
        """Return all attachments to a network."""
        return [endpoint_of(network, lease) for lease in self._attachments.ledger.leases_of(network)]

    def list_networks(self, tenant: Tenant) -> list[Network]:
        """Return the networks that exist for a tenant, oldest first. A tenant's own is made with its first container."""
        return [network for network in list(self._attachments.ledger.networks.values()) if tenant.sees(network.owner)]

    @property
    def _attachments(self) -> Attachments:
        if self._opened is None:
            raise Unavailable("networks are not set up: the engine is starting or stopping")
        return self._opened

    def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._worker, partial(function, *args, **kwargs))


def _close(opened: Attachments, remove: bool) -> None:
    try:
        if remove:
            opened.remove_all()
    finally:
        opened.close()
