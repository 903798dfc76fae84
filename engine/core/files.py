"""What the daemon asks of a worker on a container's files, as plain JSON-able data. See ``core.launch`` for why."""

from typing import Literal, NotRequired, TypedDict

from engine.core.launch import BindSpec, IdMapping, RootfsSpec

View = Literal["running", "stopped", "layer"]
"""What the worker has as its root: the container's own mounts, the same made for it alone, or the writable layer, read-only."""


class FilesTask(TypedDict):
    """``verb`` is stat, get, put, export, changes or pack; the others count for some of them."""

    verb: str
    path: NotRequired[str]
    keeps_kinds: NotRequired[bool]
    owner: NotRequired[str]  # user of the container to whom all is given; "" keeps the owners of the archive


class FilesSpec(TypedDict):
    """A worker: where it looks, what bounds it, what it does."""

    container_id: str
    view: View
    ids: list[IdMapping]
    rootfs: RootfsSpec
    binds: list[BindSpec]
    cgroup_join: list[str]
    seccomp: str  # path of the compiled filter; "" for none
    task: FilesTask
