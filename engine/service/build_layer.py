"""What a step's container has written becomes the layer of an image.

Owns the choice between taking its writable layer as it lies, which is quick, and reading it, which leaves the container whole.
"""

from collections.abc import Callable

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE
from engine.errors import Conflict
from engine.image.store import Image
from engine.service.container_files import layer_session
from engine.service.engine import Engine
from engine.storage.layers import Layer
from engine.storage.rootfs import area_of, rootfs_of

MakeImage = Callable[[Layer | None], Image]
"""Makes an image with a layer that is held, which it releases; None: with no further layer."""


async def image_of_container(engine: Engine, record: ContainerRecord, make: MakeImage, *, keeps: bool) -> Image:
    """Make an image of a container that has ended. Raises Conflict, InvalidParameter, Fault, and what ``make`` raises."""
    if keeps:
        return await _read(engine, record, make)
    images, base = engine.images, engine.images.by_id(record.image_id)
    path = engine.containers.path(record.container_id)
    upper, area = rootfs_of(path).upper, area_of(path)

    def store() -> Image:
        return make(images.layers.adopt(upper, lowers=images.lowers(base)[::-1], owner=record.tenant, area=area))

    async with engine.containers.lock(record.container_id):  # nobody starts it now
        if engine.containers.current(record.container_id).run.state in ALIVE:
            raise Conflict("the container of the step was started again by somebody else: build again")
        return await engine.slow.run(record.tenant, store)


async def _read(engine: Engine, record: ContainerRecord, make: MakeImage) -> Image:
    async with layer_session(engine, record, {"verb": "pack"}) as session:

        def store() -> Image:
            with session.as_file() as layer:
                return make(engine.images.layers.unpack(layer.as_binary(), owner=record.tenant))

        return await engine.slow.run(record.tenant, store)
