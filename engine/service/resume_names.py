"""After a start of the daemon: names are answered in all running containers again, by the resolver that lives or a new one."""

import logging
import os
from contextlib import ExitStack, suppress

from engine.core.lifecycle import ALIVE
from engine.errors import EngineError
from engine.service.container_networks import guest_of, joins_of
from engine.service.engine import Engine

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
