"""After a start of the daemon: containers of builds that ended with the daemon before it are removed, running or not."""

import logging

from engine.errors import EngineError
from engine.service.engine import Engine
from engine.service.remove_container import remove_container

log = logging.getLogger(__name__)


async def remove_build_steps(engine: Engine) -> None:
    """Remove them, with their volumes. One that cannot be is logged, and tried again at the next start."""
    for record in engine.containers.all():
        if not record.is_build_step:
            continue
        try:
            await remove_container(engine, record.tenant, record.container_id, force=True, with_volumes=True)
        except (EngineError, OSError) as error:
            log.error("container %s of a build that was cut off cannot be removed: %s", record.name, error)  # noqa: TRY400 - the reason is the message
