"""The image configuration as data, and its JSON form (OCI image specification, "Image Configuration").

The JSON of a loaded image is kept byte for byte by the image store, because its hash is the image's id; what stands here is what
the engine reads of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.core.digests import is_digest
from engine.core.health import Healthcheck, format_healthcheck, parse_healthcheck
from engine.core.layers import MAX_LAYERS
from engine.core.platforms import Platform
from engine.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """How one layer, or one change without a layer, came to be. ``created`` is RFC 3339 text or empty."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container gets from its image where its own request is silent. None: the image does not say."""

    architecture: str
    os: str = "linux"
    variant: str = ""
    created: str = ""
    author: str = ""
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    shell: tuple[str, ...] | None = None
    workdir: str = ""
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    onbuild: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()

    @property
    def platform(self) -> Platform:
        """What its programs run on."""
        return Platform(self.os, self.architecture, self.variant)


def parse_image_config(raw: bytes) -> ImageConfig:
    """Read the JSON of an image configuration; raises InvalidParameter where it is not one."""
    try:
        document = json.loads(raw)
        return _from_document(document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidParameter(f"invalid image configuration: {error}") from error


def format_image_config(config: ImageConfig) -> bytes:
    """Write the JSON of an image configuration; equal configurations give equal bytes."""
    document = {
        "architecture": config.architecture,
        "os": config.os,
        "variant": config.variant,
        "created": config.created,
        "author": config.author,
        "config": _process_document(config),
        "rootfs": {"type": "layers", "diff_ids": list(config.diff_ids)},
        "history": [_history_document(entry) for entry in config.history],
    }
    optional = ("variant", "created", "author")
    kept = {key: value for key, value in document.items() if value or key not in optional}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _from_document(document: dict[str, Any]) -> ImageConfig:
    process = document.get("config") or {}
    return ImageConfig(
        architecture=_text(document, "architecture"),
        os=_text(document, "os") or "linux",
        variant=_text(document, "variant"),
        created=_text(document, "created"),
        author=_text(document, "author"),
        env=_texts(process, "Env") or (),
        cmd=_texts(process, "Cmd"),
        entrypoint=_texts(process, "Entrypoint"),
        shell=_texts(process, "Shell"),
        workdir=_text(process, "WorkingDir"),
        user=_text(process, "User"),
        labels={_sound(key): _sound(value) for key, value in (process.get("Labels") or {}).items()},
        exposed_ports=tuple(sorted(map(_sound, process.get("ExposedPorts") or {}))),
        volumes=tuple(sorted(map(_sound, process.get("Volumes") or {}))),
        stop_signal=_text(process, "StopSignal"),
        healthcheck=parse_healthcheck(process.get("Healthcheck")),
        onbuild=_texts(process, "OnBuild") or (),
        diff_ids=_diff_ids(document),
        history=tuple(_history_entry(entry) for entry in document.get("history") or ()),
    )


def _diff_ids(document: dict[str, Any]) -> tuple[str, ...]:
    diff_ids = tuple((document.get("rootfs") or {}).get("diff_ids") or ())
    if len(diff_ids) > MAX_LAYERS:
        raise ValueError(f"{len(diff_ids)} layers, at most {MAX_LAYERS} can be mounted")
    for diff_id in diff_ids:
        if not isinstance(diff_id, str) or not is_digest(diff_id):
            raise ValueError(f"diff id {diff_id!r} is not a sha256 digest")
    return diff_ids


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    return "" if value is None else _sound(value)


def _texts(document: dict[str, Any], key: str) -> tuple[str, ...] | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list):
        raise TypeError(f"{key} is not a list")
    return tuple(_sound(item) for item in value)


def _sound(value: object) -> str:
    """JSON can escape half a surrogate pair, which could not be written out again."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    value.encode()
    return value


def _history_entry(entry: dict[str, Any]) -> HistoryEntry:
    return HistoryEntry(
        created=_text(entry, "created"),
        created_by=_text(entry, "created_by"),
        author=_text(entry, "author"),
        comment=_text(entry, "comment"),
        empty_layer=bool(entry.get("empty_layer")),
    )


def _history_document(entry: HistoryEntry) -> dict[str, object]:
    values: dict[str, object] = {
        "created": entry.created,
        "created_by": entry.created_by,
        "author": entry.author,
        "comment": entry.comment,
        "empty_layer": entry.empty_layer,
    }
    return {key: value for key, value in values.items() if value}


def _process_document(config: ImageConfig) -> dict[str, object]:
    values: dict[str, object] = {
        "Env": list(config.env),
        "Cmd": None if config.cmd is None else list(config.cmd),
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "Shell": None if config.shell is None else list(config.shell),
        "WorkingDir": config.workdir,
        "User": config.user,
        "Labels": dict(config.labels),
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {path: {} for path in config.volumes},
        "StopSignal": config.stop_signal,
        "Healthcheck": format_healthcheck(config.healthcheck) if config.healthcheck else {},
        "OnBuild": list(config.onbuild),
    }
    return {key: value for key, value in values.items() if value not in (None, "", {}, [])}
