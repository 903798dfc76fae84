"""What the engine lists, as the page shows it: finished values, nothing to compute in a template.

The engine says whose each thing is (``Atelier.Tenant``); what is nobody's was published by administrators and is for all to read.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrPromise

from portal.common.units import format_bytes
from portal.workloads.kinds import KINDS

_STATES: Mapping[str, StrPromise] = {
    "created": gettext_lazy("Created"),
    "running": gettext_lazy("Running"),
    "paused": gettext_lazy("Paused"),
    "restarting": gettext_lazy("Restarting"),
    "exited": gettext_lazy("Exited"),
    "removing": gettext_lazy("Removing"),
    "dead": gettext_lazy("Dead"),
}
_ALIVE = frozenset({"running", "paused", "restarting"})
_UNTAGGED = "<none>:<none>"
_SHORT = 12
_BUILT_IN = frozenset({"bridge", "host", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabLink:
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``facts`` are further words under the name; ``verbs`` what may be asked; ``owner`` is told to whoever sees several."""

    dom_id: str
    kind: str
    object_id: str
    tenant: str
    name: str
    facts: tuple[str, ...]
    owner: str
    lab: LabLink | None
    state: str
    state_label: str
    created_at: datetime | None
    verbs: tuple[str, ...]


Labs = Mapping[tuple[str, str], LabLink]  # by tenant and container


def list_rows(kind: str, listed: list[dict[str, Any]], *, viewer: str, labs: Labs) -> list[Row]:
    """Return the rows of ``kind`` as they are to stand; ``viewer`` is the tenant for which the engine listed."""
    return [_BUILDERS[kind](item, viewer, labs) for item in listed]


def _container(item: dict[str, Any], viewer: str, labs: Labs) -> Row:
    state = str(item["State"])
    lab = labs.get((_owner(item), str(item["Id"])))
    return _row(
        "containers",
        item,
        viewer,
        object_id=str(item["Id"]),
        name=str((item.get("Names") or ["/" + item["Id"][:_SHORT]])[0]).lstrip("/"),
        facts=(str(item["Image"]), *_ports(item)),
        lab=lab,
        state=state,
        created_at=datetime.fromtimestamp(int(item["Created"]), tz=UTC),
        # A lab's own page starts, stops and removes it, with all that belongs to that.
        verbs=() if lab else ("stop", "remove") if state in _ALIVE else ("start", "remove"),
    )


def _ports(item: dict[str, Any]) -> list[str]:
    """Published ports as ``8080→80/tcp``, each once though it may be published at several addresses."""
    published = [port for port in item.get("Ports") or () if port.get("PublicPort")]
    return sorted({f"{port['PublicPort']}→{port['PrivatePort']}/{port['Type']}" for port in published})


def _image(item: dict[str, Any], viewer: str, labs: Labs) -> Row:
    tags = [tag for tag in item.get("RepoTags") or () if tag != _UNTAGGED]
    object_id = str(item["Id"])
    return _row(
        "images",
        item,
        viewer,
        object_id=object_id,
        name=", ".join(tags) or object_id.removeprefix("sha256:")[:_SHORT],
        facts=(format_bytes(int(item.get("Size") or 0)), *(() if tags else (_("no name"),))),
        created_at=datetime.fromtimestamp(int(item["Created"]), tz=UTC) if item.get("Created") else None,
    )


def _volume(item: dict[str, Any], viewer: str, labs: Labs) -> Row:
    name = str(item["Name"])
    created_at = parse_datetime(str(item.get("CreatedAt") or ""))
    return _row("volumes", item, viewer, object_id=name, name=name, created_at=created_at)


def _network(item: dict[str, Any], viewer: str, labs: Labs) -> Row:
    subnets = [str(config["Subnet"]) for config in (item.get("IPAM") or {}).get("Config") or () if config.get("Subnet")]
    return _row(
        "networks",
        item,
        viewer,
        object_id=str(item["Id"]),
        name=str(item["Name"]),
        facts=(str(item["Driver"]), *subnets),
        verbs=() if item["Name"] in _BUILT_IN else KINDS["networks"].verbs,
        created_at=parse_datetime(str(item.get("Created") or "")),
    )


def _row(kind: str, item: dict[str, Any], viewer: str, *, object_id: str, **values: Any) -> Row:
    """Fill in what all kinds have in common."""
    owner = _owner(item)
    state = values.pop("state", "")
    verbs = values.pop("verbs", KINDS[kind].verbs)
    label = _STATES.get(state)
    return Row(
        dom_id=row_dom_id(kind, owner, object_id),
        kind=kind,
        object_id=object_id,
        tenant=owner,
        owner=_owner_name(owner, viewer),
        state=state,
        state_label=str(label) if label else state,
        verbs=verbs if owner else (),
        **{"facts": (), "lab": None, **values},
    )


def row_dom_id(kind: str, tenant: str, object_id: str) -> str:
    return f"{kind}-{hashlib.sha256(f'{tenant} {object_id}'.encode()).hexdigest()[:24]}"


def _owner(item: dict[str, Any]) -> str:
    return str((item.get("Atelier") or {}).get("Tenant", ""))


def _owner_name(owner: str, viewer: str) -> str:
    """Say whose it is where that is not the viewer: the member, "the team", or "for all"."""
    if owner == viewer:
        return ""
    team, _slash, member = owner.partition("/")
    return member or (_("the whole team") if team else _("for all"))


_BUILDERS = {"containers": _container, "images": _image, "volumes": _volume, "networks": _network}
