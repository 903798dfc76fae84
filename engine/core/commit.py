"""The configuration of an image that is made from a container: the container's, with what the request says over it. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from engine.core.changes import apply_changes
from engine.core.containers import ContainerConfig
from engine.core.image_config import HistoryEntry, ImageConfig
from engine.core.merge import merge_env
from engine.core.own_labels import without_own


def committed_config(
    base: ImageConfig, container: ContainerConfig, wanted: ImageConfig, *, changes: Sequence[str]
) -> ImageConfig:
    """Return what the new image runs by default; platform, layers and history stay those of ``base``.

    ``wanted`` holds the request's own values, over which ``changes`` go; variables and relative folders in these are read with
    what the container has. An entry point that is given anew drops the container's command, as with dockerd. Raises
    InvalidParameter for a change that is none.
    """
    begun = replace(wanted, env=tuple(merge_env(container.env, wanted.env)), workdir=wanted.workdir or container.working_dir)
    own = apply_changes(begun, changes)
    cmd, entrypoint = own.cmd, own.entrypoint
    if not entrypoint:
        cmd = cmd or container.cmd
        entrypoint = container.entrypoint if entrypoint is None else None
    return replace(
        base,
        env=own.env,
        cmd=cmd or None,
        entrypoint=entrypoint,
        shell=own.shell or container.shell or base.shell,
        workdir=own.workdir,
        user=own.user or container.user,
        labels={**without_own(container.labels), **own.labels},
        exposed_ports=tuple(sorted({*container.exposed_ports, *own.exposed_ports})),
        volumes=tuple(sorted({*container.volumes, *own.volumes})),
        onbuild=own.onbuild,
        stop_signal=own.stop_signal or container.stop_signal,
        healthcheck=own.healthcheck or container.healthcheck,
    )


def commit_entry(container: ContainerConfig, *, created: str, author: str, comment: str) -> HistoryEntry:
    """Return how the new layer came to be."""
    return HistoryEntry(created=created, created_by=" ".join(container.cmd or ()), author=author, comment=comment)
