"""After a start of the daemon: what runs on the host under this engine's name, and nobody looks after any more, is ended.

Such are left by a daemon and a supervisor that died at once in the midst of a start or removal, and by a record that cannot be
read: a container that nobody sees must not run.
"""

import asyncio
import logging

from engine.runtime.stray_cgroups import end_cgroups, find_cgroups
from engine.service.engine import Engine

log = logging.getLogger(__name__)


async def sweep_strays(engine: Engine) -> None:
    """End all containers without a process in the supervisor's care. One that does not end is logged."""
    found = await asyncio.to_thread(find_cgroups, engine.host.cgroups, engine.instance)
    for container_id in found.keys() - engine.supervisor.processes.keys():
        async with engine.containers.lock(container_id):  # a restart policy may just be starting it
            if container_id in engine.supervisor.processes:
                continue
            log.warning("nobody looks after what is left of container %s: it is ended", container_id)
            try:
                await asyncio.to_thread(end_cgroups, found[container_id])
            except OSError as error:
                log.error("what is left of container %s does not end: %s", container_id, error)  # noqa: TRY400 - the reason is the message
        if engine.containers.get(container_id) is None:
            engine.containers.drop(container_id)  # the lock
