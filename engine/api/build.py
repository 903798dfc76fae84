"""The route of builds: the query as a request of the service, the body as the context, the answer as lines while it goes on.

Owns which of Docker's parameters are honoured and which are refused: nothing is dropped in silence.
"""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from engine.api.body import body_as_file
from engine.api.context import engine_of, tenant_of
from engine.api.create_networks import build_network_mode
from engine.api.decode import Document, query_bool, query_int, query_text
from engine.api.responses import dumps
from engine.build.output import Line, failure
from engine.build.request import BuildRequest
from engine.core.containers import DEFAULT_SHM_BYTES, HostConfig, Ulimit
from engine.core.limits import Limits
from engine.core.registries import parse_config_header
from engine.errors import EngineError, Fault, InvalidParameter, Unimplemented
from engine.service.build_image import build_image

log = logging.getLogger(__name__)
_REFUSED = {
    "remote": "contexts from a URL or a Git repository are not supported: send the folder, as docker build . does",
    "cgroupparent": "the cgroup of a build is the tenant's: leave out cgroupparent",
    "outputs": "outputs need BuildKit: leave them out, the image is kept by the engine",
    "session": "sessions need BuildKit, which this engine does not have: build with DOCKER_BUILDKIT=0",
}
_TAR_TYPES = ("application/x-tar", "application/tar", "application/octet-stream", "application/gzip", "application/x-gzip")


async def build(request: web.Request) -> web.StreamResponse:
    """The answer begins with the first line, so that what is wrong before it has a status of its own."""
    wanted = decode_build(request)
    answer = _Answer(request)
    engine, tenant = engine_of(request), tenant_of(request)
    try:
        async with body_as_file(request) as context:
            await build_image(engine, tenant, wanted, context, answer.say)
    except EngineError as error:
        if not answer.has_begun:
            raise
        if isinstance(error, Fault):
            log.exception("a build failed")
        await answer.say(failure(error))
    except ConnectionError:
        raise
    except Exception:
        if not answer.has_begun:
            raise
        log.exception("a build failed")
        await answer.say(failure(Fault("internal error: the engine's log tells more")))
    return await answer.finish()


class _Answer:
    """Lines of JSON, each sent before the next is taken: a client who reads slowly slows its own build."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={"Content-Type": "application/json"})

    @property
    def has_begun(self) -> bool:
        return self._response.prepared

    async def say(self, line: Line) -> None:
        await self._begin()
        await self._response.write(dumps(line) + b"\r\n")

    async def finish(self) -> web.StreamResponse:
        await self._begin()
        await self._response.write_eof()
        return self._response

    async def _begin(self) -> None:
        if not self._response.prepared:
            await self._response.prepare(self._request)


def decode_build(request: web.Request) -> BuildRequest:
    """Read the query. Raises InvalidParameter, Unimplemented."""
    _check_supported(request)
    return BuildRequest(
        dockerfile=query_text(request, "dockerfile") or "Dockerfile",
        tags=tuple(tag for tag in request.query.getall("t", []) if tag),
        target=query_text(request, "target"),
        args=_arguments(request),
        labels=_document(request, "labels").labels("labels"),
        platform=query_text(request, "platform"),
        is_quiet=query_bool(request, "q"),
        uses_cache=not query_bool(request, "nocache"),
        cache_from=_texts(request, "cachefrom"),
        pulls=query_bool(request, "pull"),
        removes=_removes(request),
        force_removes=query_bool(request, "forcerm"),
        host=_host_config(request),
        credentials=parse_config_header(request.headers.get("X-Registry-Config", "")),
    )


def _check_supported(request: web.Request) -> None:
    if query_text(request, "version") not in ("", "1"):
        raise Unimplemented("builds by BuildKit are not implemented by this engine: use the classic builder, DOCKER_BUILDKIT=0")
    for name, reason in _REFUSED.items():
        if query_text(request, name):
            raise InvalidParameter(f"invalid {name} {query_text(request, name)[:60]!r}: {reason}")
    if query_bool(request, "squash"):
        raise InvalidParameter("squash is not supported: layers are shared with other images, use several stages instead")
    if query_text(request, "isolation") not in ("", "default"):
        raise InvalidParameter(f"invalid isolation {query_text(request, 'isolation')[:40]!r}: only default is there on Linux")
    content_type = request.headers.get("Content-Type", "")
    if content_type and request.content_type not in (*_TAR_TYPES, "application/json"):
        raise InvalidParameter(f"invalid Content-Type {content_type[:60]!r}: send the context as application/x-tar")


def _removes(request: web.Request) -> bool:
    """Containers of steps are removed unless the client asks to keep them."""
    return query_bool(request, "rm", default=True) or not query_text(request, "rm")


def _arguments(request: web.Request) -> Mapping[str, str]:
    """A build argument without a value is one that the client's environment does not have: as if it were not there."""
    values = _json(request, "buildargs", {})
    if not isinstance(values, dict) or not all(value is None or isinstance(value, str) for value in values.values()):
        raise InvalidParameter("invalid value for buildargs: an object of texts is expected")
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if not name or "=" in name or "\0" in f"{name}{value}":
            raise InvalidParameter(f"invalid build argument {name[:60]!r}: a name has no = in it, and neither holds null bytes")
    return given


def _texts(request: web.Request, name: str) -> tuple[str, ...]:
    values = _json(request, name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidParameter(f"invalid value for {name}: a list of texts is expected")
    return tuple(values)


def _document(request: web.Request, name: str) -> Document:
    return Document({name: _json(request, name, {})})


def _json(request: web.Request, name: str, empty: object) -> Any:
    text = query_text(request, name)
    if not text:
        return empty
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"invalid JSON in {name}: {error}") from None
    return empty if value is None else value


def _host_config(request: web.Request) -> HostConfig:
    """How the containers of RUN run."""
    shm_bytes = query_int(request, "shmsize") or DEFAULT_SHM_BYTES
    if shm_bytes < 0:
        raise InvalidParameter(f"invalid shmsize {shm_bytes}: use a number of bytes")
    return HostConfig(
        network_mode=build_network_mode(query_text(request, "networkmode")),
        limits=_limits(request),
        shm_bytes=shm_bytes,
        ulimits=tuple(
            Ulimit(one.text("Name").lower(), one.integer("Soft"), one.integer("Hard"))
            for one in Document({"ulimits": _json(request, "ulimits", [])}).documents("ulimits")
        ),
        extra_hosts=tuple(request.query.getall("extrahosts", [])),
    )


def _limits(request: web.Request) -> Limits:
    memory = query_int(request, "memory") or None
    quota = query_int(request, "cpuquota") or 0
    return Limits(
        memory_bytes=memory,
        memory_swap_bytes=query_int(request, "memswap") or 2 * max(0, memory or 0) or None,
        cpu_shares=query_int(request, "cpushares") or None,
        cpu_period_us=query_int(request, "cpuperiod") or None,
        cpu_quota_us=quota if quota > 0 else None,
        cpuset_cpus=query_text(request, "cpusetcpus"),
        cpuset_mems=query_text(request, "cpusetmems"),
    )
