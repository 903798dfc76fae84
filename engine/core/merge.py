"""A container's configuration: the request's values over its image's, as Docker merges them. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from engine.core.containers import ContainerConfig
from engine.core.health import merge_healthcheck
from engine.core.image_config import ImageConfig
from engine.core.own_labels import without_own

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge_config(wanted: ContainerConfig, image: ImageConfig) -> ContainerConfig:
    """Fill what the request leaves open. An entry point of the request drops the image's command with the image's entry point."""
    entrypoint, cmd = wanted.entrypoint, wanted.cmd
    if not entrypoint:
        cmd = cmd or image.cmd
        entrypoint = image.entrypoint if entrypoint is None else None
    if entrypoint == ("",):  # Docker's way to say: no entry point at all
        entrypoint = None
    return replace(
        wanted,
        entrypoint=entrypoint,
        cmd=cmd,
        env=tuple(merge_env([DEFAULT_PATH], image.env, wanted.env, keeps_names=True)),
        labels={**without_own(image.labels), **wanted.labels},
        exposed_ports=tuple(sorted({*image.exposed_ports, *wanted.exposed_ports})),
        volumes=tuple(sorted({*image.volumes, *wanted.volumes})),
        user=wanted.user or image.user,
        working_dir=wanted.working_dir or image.workdir,
        stop_signal=wanted.stop_signal or image.stop_signal,
        healthcheck=merge_healthcheck(wanted.healthcheck, image.healthcheck),
        shell=wanted.shell or image.shell,
    )


def merge_env(*layers: Sequence[str], keeps_names: bool = False) -> list[str]:
    """Merge ``NAME=value`` lists, later ones winning; a bare ``NAME`` takes the variable away.

    With ``keeps_names`` it stays in the list, to take away what comes below at the start, such as ``HOSTNAME``.
    """
    merged: dict[str, str] = {}
    for entry in (entry for layer in layers for entry in layer):
        name, equals, _ = entry.partition("=")
        if equals or keeps_names:
            merged[name] = entry
        else:
            merged.pop(name, None)
    return list(merged.values())
