"""The body of ``POST /containers/create`` as a request of the service.

Owns which of Docker's fields are honoured, which are refused and which draw a warning: nothing is dropped in silence.
"""

import re

from engine.api.create_counts import check_counts
from engine.api.create_health import decode_healthcheck, decode_restart_policy
from engine.api.create_isolation import decode_isolation, isolation_warnings
from engine.api.create_limits import decode_limits, extension, limit_warnings
from engine.api.create_mounts import absolute, decode_mounts, decode_tmpfs
from engine.api.create_networks import decode_joins, join_warnings, network_mode
from engine.api.create_ports import check_port_mode, decode_bindings, decode_exposed, port_warnings
from engine.api.create_rates import with_network_options
from engine.api.decode import Document, console_size
from engine.core.containers import DEFAULT_SHM_BYTES, ContainerConfig, HostConfig, Ulimit
from engine.core.log_options import DEFAULT_DRIVER, check_log_options
from engine.core.signals import parse_signal
from engine.errors import InvalidParameter
from engine.service.create_container import CreateRequest

_HOSTNAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_SHM_MOST_BYTES = 2**50  # the kernel takes more, but nobody means it
_NO_EFFECT = ("ArgsEscaped", "OnBuild")
_ENV = re.compile(r"[^=\0]+(?:=[^\0]*)?", re.DOTALL)


def decode_create(body: Document, *, name: str, platform: str = "") -> tuple[CreateRequest, list[str]]:
    """Return the request and warnings. Raises InvalidParameter."""
    host = body.document("HostConfig")
    check_counts(body, host)
    check_log_options(*_log_config(host))
    check_port_mode(body, host)
    warnings = [*_warnings(body, host), *limit_warnings(host), *isolation_warnings(host), *port_warnings(host)]
    joins, host_config = decode_joins(body, host), with_network_options(_host_config(host), body)
    return CreateRequest(config=_config(body), host=host_config, name=name, platform=platform, joins=joins), warnings


def _log_config(host: Document) -> tuple[str, dict[str, str]]:
    config = host.document("LogConfig")
    return config.text("Type") or DEFAULT_DRIVER, config.mapping("Config")


def _warnings(body: Document, host: Document) -> list[str]:
    warnings = []
    if _log_config(host)[1].get("compress", "").lower() in ("1", "t", "true"):
        warnings.append("log opt compress has no effect: what is kept of a log is kept as it is")
    warnings += [f"{name} has no effect: it is a setting of Windows or of builds" for name in _NO_EFFECT if body.is_set(name)]
    warnings += join_warnings(body)
    return warnings


def _config(body: Document) -> ContainerConfig:
    image = body.text("Image")
    if not image:
        raise InvalidParameter("no image specified: give Image")
    env = body.texts("Env")
    for entry in env:
        if _ENV.fullmatch(entry) is None:
            raise InvalidParameter(f"invalid environment variable {entry[:60]!r}: use NAME=value")
    if body.text("StopSignal"):
        parse_signal(body.text("StopSignal"))
    return ContainerConfig(
        image=image,
        hostname=_hostname(body.text("Hostname")),
        domainname=_hostname(body.text("Domainname")),
        user=body.text("User"),
        env=env,
        cmd=body.optional_command("Cmd"),
        entrypoint=body.optional_command("Entrypoint"),
        working_dir=absolute(body.text("WorkingDir"), "working directory"),
        labels=body.labels(),
        exposed_ports=decode_exposed(body),
        volumes=body.keys("Volumes"),
        tty=body.boolean("Tty"),
        open_stdin=body.boolean("OpenStdin"),
        stdin_once=body.boolean("StdinOnce"),
        attach_stdin=body.boolean("AttachStdin"),
        attach_stdout=body.boolean("AttachStdout"),
        attach_stderr=body.boolean("AttachStderr"),
        stop_signal=body.text("StopSignal"),
        stop_timeout_seconds=body.optional_integer("StopTimeout"),
        network_disabled=body.boolean("NetworkDisabled"),
        healthcheck=decode_healthcheck(body),
        shell=body.optional_texts("Shell"),
    )


def _host_config(host: Document) -> HostConfig:
    rows, columns = console_size(host)
    log_driver, log_options = _log_config(host)
    return HostConfig(
        network_mode=network_mode(host.text("NetworkMode")),
        auto_remove=host.boolean("AutoRemove"),
        restart=decode_restart_policy(host),
        limits=decode_limits(host),
        readonly_rootfs=host.boolean("ReadonlyRootfs"),
        cap_add=host.texts("CapAdd"),
        cap_drop=host.texts("CapDrop"),
        bind_texts=host.texts("Binds"),
        mounts=decode_mounts(host),
        volumes_from=host.texts("VolumesFrom"),
        volume_driver=host.text("VolumeDriver"),
        tmpfs=decode_tmpfs(host),
        shm_bytes=_within(host.integer("ShmSize"), 0, _SHM_MOST_BYTES, "ShmSize") or DEFAULT_SHM_BYTES,
        sysctls=host.mapping("Sysctls"),
        storage_options=host.mapping("StorageOpt"),
        init=bool(host.optional_boolean("Init")),
        oom_score_adj=_within(host.integer("OomScoreAdj"), -1000, 1000, "OomScoreAdj"),
        ulimits=tuple(_ulimit(limit) for limit in host.documents("Ulimits")),
        group_add=host.texts("GroupAdd"),
        dns=host.texts("Dns"),
        dns_options=host.texts("DnsOptions"),
        dns_search=host.texts("DnsSearch"),
        extra_hosts=host.texts("ExtraHosts"),
        links=host.texts("Links"),
        log_driver=log_driver,
        log_options=log_options,
        console_rows=rows,
        console_columns=columns,
        port_bindings=decode_bindings(host),
        publish_all=host.boolean("PublishAllPorts"),
        docker_socket=extension(host).boolean("DockerSocket"),
        **decode_isolation(host),
    )


def _hostname(text: str) -> str:
    if text and (len(text) > 63 or _HOSTNAME.fullmatch(text) is None):
        raise InvalidParameter(f"invalid hostname {text[:80]!r}: use up to 63 letters, digits, dashes and dots")
    return text


def _ulimit(limit: Document) -> Ulimit:
    return Ulimit(limit.text("Name").lower(), limit.integer("Soft"), limit.integer("Hard"))


def _within(value: int, least: int, most: int, name: str) -> int:
    if not least <= value <= most:
        raise InvalidParameter(f"invalid {name} {value}: use {least} to {most}")
    return value
