"""Containers as Docker's JSON: the long form of inspect and the short one of the list.

Owns the shape only; what is true is told by the records and by the objects handed in.
"""

from typing import Any

from engine.api.health_json import health_config_json, health_state_json, health_suffix
from engine.api.host_config_json import host_config_json
from engine.api.mounts_json import VolumePath, mounts_json
from engine.api.network_json import container_networks_json, old_settings_json, own_mac, with_older_aliases
from engine.api.ports_json import settings_ports_json, summary_ports_json
from engine.core.containers import ContainerRecord
from engine.core.health import Health
from engine.core.humantime import format_span
from engine.core.lifecycle import ALIVE, State
from engine.core.log_options import NO_DRIVER
from engine.core.timeformat import format_time
from engine.service.exits import shown_exit_code
from engine.service.inspect_container import Inspection
from engine.storage.rootfs import logs_of, network_files_of

TENANT_LABEL = "atelier.tenant"


def inspect_json(found: Inspection, *, volume_path: VolumePath | None, older_aliases: bool) -> dict[str, Any]:
    """Return the long form; without ``volume_path`` for somebody who is not to know places on the host."""
    record, shows_paths = found.record, volume_path is not None
    networks = container_networks_json(record, found.endpoints, found.network_ids)
    files_path = network_files_of(found.path)
    args = record.config.args
    return {
        "Id": record.container_id,
        "Created": format_time(record.created_ns),
        "Path": args[0] if args else "",
        "Args": args[1:],
        "State": {**_state(record), **health_state_json(found.health)},
        "Image": record.image_id,
        "ResolvConfPath": str(files_path / "resolv.conf") if shows_paths else "",
        "HostnamePath": str(files_path / "hostname") if shows_paths else "",
        "HostsPath": str(files_path / "hosts") if shows_paths else "",
        "LogPath": str(logs_of(found.path)) if shows_paths and record.host.log_driver != NO_DRIVER else "",
        "Name": f"/{record.name}",
        "RestartCount": record.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(found.exec_ids) or None,
        "HostConfig": host_config_json(record.host, links=found.links),
        "GraphDriver": {"Name": "overlay2", "Data": None},
        **(
            {}
            if found.size_rw_bytes is None
            else {"SizeRw": found.size_rw_bytes, "SizeRootFs": found.size_rw_bytes + found.image_bytes}
        ),
        "Mounts": mounts_json(record, volume_path),
        "Config": _config(record),
        "NetworkSettings": {
            **old_settings_json(found.endpoints),
            "Ports": settings_ports_json(record, found.published, leads_out=any(one.gateway for one in found.endpoints)),
            "Networks": with_older_aliases(record, networks) if older_aliases else networks,
        },
        "Atelier": {"Tenant": record.tenant.name},
    }


def summary_json(found: Inspection, *, volume_path: VolumePath | None, now_ns: int) -> dict[str, Any]:
    """Return the short form; ``volume_path`` as with the long one."""
    record = found.record
    return {
        "Id": record.container_id,
        "Names": [f"/{name}" for name in (record.name, *found.link_names)],
        "Image": record.config.image,
        "ImageID": record.image_id,
        "Command": _command(record.config.args),
        "Created": record.created_ns // 10**9,
        "Ports": summary_ports_json(record, found.published, leads_out=any(one.gateway for one in found.endpoints)),
        **(
            {}
            if found.size_rw_bytes is None
            else {"SizeRw": found.size_rw_bytes, "SizeRootFs": found.size_rw_bytes + found.image_bytes}
        ),
        "Labels": dict(record.config.labels),
        "State": str(record.run.state),
        "Status": status_text(record, now_ns=now_ns, health=found.health),
        "HostConfig": {"NetworkMode": record.host.network_mode},
        "NetworkSettings": {"Networks": container_networks_json(record, found.endpoints, found.network_ids)},
        "Mounts": mounts_json(record, volume_path),
        "Atelier": {"Tenant": record.tenant.name},
    }


def _command(args: list[str]) -> str:
    """Return the command line as ``docker ps`` shows it: not meant to be read back."""
    return " ".join([*args[:1], *(f"'{arg}'" if " " in arg else arg for arg in args[1:])])


def status_text(record: ContainerRecord, *, now_ns: int, health: Health | None = None) -> str:
    """Return the status line of ``docker ps``."""
    run = record.run
    if run.state is State.RESTARTING:
        return f"Restarting ({shown_exit_code(run.exit_code)}) {format_span((now_ns - run.finished_ns) / 1e9)} ago"
    if run.state in ALIVE:
        span = format_span((now_ns - run.started_ns) / 1e9)
        return f"Up {span}{' (Paused)' if run.state is State.PAUSED else health_suffix(health)}"
    if run.state is State.EXITED:
        return f"Exited ({shown_exit_code(run.exit_code)}) {format_span((now_ns - run.finished_ns) / 1e9)} ago"
    return {State.CREATED: "Created", State.REMOVING: "Removal In Progress"}.get(run.state, "Dead")


def _state(record: ContainerRecord) -> dict[str, Any]:
    run = record.run
    has_code = run.state in (State.EXITED, State.RESTARTING) or run.error != ""
    return {
        "Status": str(run.state),
        "Running": run.state in ALIVE,
        "Paused": run.state is State.PAUSED,
        "Restarting": run.state is State.RESTARTING,
        "OOMKilled": run.oom_killed,
        "Dead": run.state is State.DEAD,
        "Pid": run.pid,
        "ExitCode": shown_exit_code(run.exit_code) if has_code else 0,
        "Error": run.error,
        "StartedAt": format_time(run.started_ns),
        "FinishedAt": format_time(run.finished_ns),
    }


def _config(record: ContainerRecord) -> dict[str, Any]:
    config, mac = record.config, own_mac(record)
    return {
        "Hostname": config.hostname,
        "Domainname": config.domainname,
        "User": config.user,
        "AttachStdin": config.attach_stdin,
        "AttachStdout": config.attach_stdout,
        "AttachStderr": config.attach_stderr,
        **({"ExposedPorts": {port: {} for port in config.exposed_ports}} if config.exposed_ports else {}),
        "Tty": config.tty,
        "OpenStdin": config.open_stdin,
        "StdinOnce": config.stdin_once,
        "Env": list(config.env),
        "Cmd": None if config.cmd is None else list(config.cmd),
        "Image": config.image,
        "Volumes": {path: {} for path in config.volumes} or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        **({"NetworkDisabled": True} if config.network_disabled else {}),
        **({"MacAddress": mac} if mac else {}),
        "OnBuild": None,
        "Labels": dict(config.labels),
        **({"StopSignal": config.stop_signal} if config.stop_signal else {}),
        **({} if config.stop_timeout_seconds is None else {"StopTimeout": config.stop_timeout_seconds}),
        **health_config_json(config),
    }
