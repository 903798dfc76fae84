"""After a start of the daemon: names are answered in all running containers again, by the resolver that lives or a new one.

Their own files are right again too, where a daemon was killed while it took a container to a network or off one.
"""

import asyncio
import logging
import os
from contextlib import ExitStack, suppress

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE
from engine.core.networks import BRIDGE
from engine.errors import EngineError
from engine.service.container_networks import guest_of, joins_of
from engine.service.engine import Engine
from engine.service.hosts_entries import settle_hosts_entries
from engine.service.network_files import turn_to_names

log = logging.getLogger(__name__)


async def resume_names(engine: Engine) -> None:
    """A failure is logged: containers run without names rather than not at all."""
    netns: dict[str, int] = {}
    with ExitStack() as opened:
        for container_id in list(engine.supervisor.processes):
            process = engine.process(container_id)
            if process is not None and process.kind == "container":
                with suppress(ProcessLookupError, FileNotFoundError):
                    netns[container_id] = process.open_netns()
                    opened.callback(os.close, netns[container_id])
        alive = [record for record in engine.containers.all() if record.run.state in ALIVE and record.container_id in netns]
        try:
            await engine.network.serve_names([guest_of(record, joins_of(record)) for record in alive], netns)
        except EngineError as error:
            log.error("containers are without names: %s", error.message)  # noqa: TRY400 - the reason is the message
    for record in alive:
        await asyncio.to_thread(_settle_files, engine, record)


def _settle_files(engine: Engine, record: ContainerRecord) -> None:
    path, endpoints = engine.containers.path(record.container_id), engine.network.endpoints_of(record.container_id)
    if not endpoints:
        return
    subnets = [network.subnet for network in engine.network.list_networks(record.tenant)]
    settle_hosts_entries(path, record.config.hostname, [endpoint.address for endpoint in endpoints], subnets)
    if any(endpoint.name != BRIDGE for endpoint in endpoints):
        turn_to_names(path, record)
