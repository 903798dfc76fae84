"""Images as Docker's JSON. Owns the shape only."""

from typing import Any

from engine.core.health import format_healthcheck
from engine.core.image_config import ImageConfig
from engine.core.timeformat import format_time
from engine.image.store import RemovedItem
from engine.service.disk_usage import BuildUse
from engine.service.list_images import ImageView


def summary_json(view: ImageView) -> dict[str, Any]:
    """Return the short form of the list."""
    image = view.image
    return {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": view.tags,
        "RepoDigests": list(image.repo_digests),
        "Created": image.created_ns // 10**9,
        "Size": image.size,
        "SharedSize": -1 if view.shared_bytes is None else view.shared_bytes,
        "Labels": dict(image.config.labels) or None,
        "Containers": view.containers,
        "Atelier": {"Tenant": image.owner.name},
    }


def inspect_json(view: ImageView) -> dict[str, Any]:
    """Return the long form."""
    image, config = view.image, view.image.config
    return {
        "Id": image.id,
        "RepoTags": view.tags,
        "RepoDigests": list(image.repo_digests),
        "Parent": image.parent,
        "Comment": config.history[-1].comment if config.history else "",
        "Created": config.created or format_time(image.created_ns),
        "Container": "",  # the one that it was committed from is kept by older daemons alone; clients look for the field
        "DockerVersion": "",
        "Author": config.author,
        "Config": _config(config),
        "ContainerConfig": _config(config),  # which Compose 1.29 reads when it makes a container anew
        "Architecture": config.architecture,
        **({"Variant": config.variant} if config.variant else {}),
        "Os": config.os,
        "Size": image.size,
        "GraphDriver": {"Name": "overlay2", "Data": None},
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Metadata": {"LastTagTime": format_time(image.tagged_ns)},
        "Atelier": {"Tenant": image.owner.name},
    }


def build_json(use: BuildUse) -> dict[str, Any]:
    """Return an intermediate image as an entry of the build cache."""
    image, history = use.image, use.image.config.history
    created = format_time(image.created_ns)
    return {
        "ID": image.id,
        "Parents": [image.parent] if image.parent else [],
        "Type": "regular",
        "Description": history[-1].created_by if history else "",
        "InUse": use.is_in_use,
        "Shared": use.is_shared,
        "Size": use.size,
        "CreatedAt": created,
        "LastUsedAt": created,
        "UsageCount": 1,
    }


def removed_json(item: RemovedItem) -> dict[str, str]:
    """Return what went: a name, an image or a layer."""
    return {"Untagged": item.untagged} if item.untagged else {"Deleted": item.deleted}


def _config(config: ImageConfig) -> dict[str, Any]:
    return {
        "Hostname": "",
        "Domainname": "",
        "User": config.user,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        **({"ExposedPorts": {port: {} for port in config.exposed_ports}} if config.exposed_ports else {}),
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": list(config.env),
        "Cmd": None if config.cmd is None else list(config.cmd),
        "Image": "",
        "Volumes": {path: {} for path in config.volumes} or None,
        "WorkingDir": config.workdir,
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "OnBuild": list(config.onbuild) or None,
        "Labels": dict(config.labels) or None,
        **({"Shell": list(config.shell)} if config.shell else {}),
        **({"StopSignal": config.stop_signal} if config.stop_signal else {}),
        **({"Healthcheck": format_healthcheck(config.healthcheck)} if config.healthcheck else {}),
    }
