"""What a step's container has written becomes the layer of an image.

Owns the choice between moving its writable layer, which is quick, and reading it, which leaves the container as it is.
"""

from collections.abc import Callable

from engine.core.containers import ContainerRecord
from engine.image.store import Image
from engine.service.container_files import layer_session
from engine.service.engine import Engine
from engine.storage.layers import Layer

MakeImage = Callable[[Layer], Image]
"""Makes an image of a layer that is held, and releases it."""


async def image_of_container(engine: Engine, record: ContainerRecord, make: MakeImage) -> Image:
    """Make an image of a container that has ended. Raises Conflict, Fault, Unavailable, and what ``make`` raises."""
    async with layer_session(engine, record, {"verb": "pack"}) as session:

        def store() -> Image:
            with session.as_file() as layer:
                return make(engine.images.layers.unpack(layer.as_binary()))

        return await engine.slow.run(record.tenant, store)
