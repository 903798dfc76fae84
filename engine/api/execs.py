"""Routes of execs."""

from aiohttp import web

from engine.api.container_streams import stream_type
from engine.api.containers import terminal_size
from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import Document, console_size, query_bool, read_document
from engine.api.finishing import to_the_end
from engine.api.hijack import Hijacked, hijack
from engine.api.responses import json_response
from engine.core.execs import ExecConfig, ExecRecord
from engine.service.attach_exec import attach_exec, start_attached
from engine.service.exec_container import create_exec, resize_exec, start_exec
from engine.service.exits import shown_exit_code


async def create(request: web.Request) -> web.Response:
    body = await read_document(request)
    exec_id = create_exec(engine_of(request), tenant_of(request), name_of(request), _config(body))
    return json_response({"Id": exec_id}, status=201)


def _config(body: Document) -> ExecConfig:
    rows, columns = console_size(body)
    return ExecConfig(
        cmd=body.texts("Cmd"),
        env=body.texts("Env"),
        working_dir=body.text("WorkingDir"),
        user=body.text("User"),
        tty=body.boolean("Tty"),
        attach_stdin=body.boolean("AttachStdin"),
        attach_stdout=body.boolean("AttachStdout"),
        attach_stderr=body.boolean("AttachStderr"),
        detach_keys=body.text("DetachKeys"),
        rows=rows,
        columns=columns,
        privileged=body.boolean("Privileged"),
    )


async def start(request: web.Request) -> web.StreamResponse:
    body = await read_document(request, may_be_missing=True)  # attached, as the exec was made
    engine, tenant, exec_id = engine_of(request), tenant_of(request), name_of(request)
    rows, columns = console_size(body)
    if body.boolean("Detach"):
        await to_the_end(start_exec(engine, tenant, exec_id, is_detached=True, rows=rows, columns=columns))
        return web.Response(status=200)
    started = start_attached(engine, tenant, exec_id, is_raw=body.boolean("Tty"))
    client = await hijack(request, content_type=stream_type(is_tty=started.is_raw))
    try:
        await started.run(client, rows=rows, columns=columns)
    finally:
        await client.close()
    return Hijacked()


async def attach(request: web.Request) -> web.StreamResponse:
    watch = await attach_exec(
        engine_of(request),
        tenant_of(request),
        name_of(request),
        takes_input=query_bool(request, "stdin"),
        replay=query_bool(request, "replay"),
    )
    client = await hijack(request, content_type=stream_type(is_tty=watch.is_tty))
    try:
        await watch.run(client)
    finally:
        await client.close()
    return Hijacked()


async def resize(request: web.Request) -> web.Response:
    rows, columns = terminal_size(request)
    resize_exec(engine_of(request), tenant_of(request), name_of(request), rows=rows, columns=columns)
    return web.Response(status=200)


async def inspect(request: web.Request) -> web.Response:
    execution, _ = engine_of(request).execs.find(tenant_of(request), name_of(request))
    return json_response(_inspect_json(execution))


def _inspect_json(execution: ExecRecord) -> dict[str, object]:
    config, run = execution.config, execution.run
    has_ended = run.is_started and not run.is_running
    return {
        "ID": execution.exec_id,
        "Running": run.is_running,
        "ExitCode": shown_exit_code(run.exit_code) if has_ended else None,
        "ProcessConfig": {
            "tty": config.tty,
            "entrypoint": config.cmd[0],
            "arguments": list(config.cmd[1:]),
            "privileged": config.privileged,
            **({"user": config.user} if config.user else {}),
        },
        "OpenStdin": config.attach_stdin,
        "OpenStderr": config.attach_stderr,
        "OpenStdout": config.attach_stdout,
        "CanRemove": has_ended,
        "ContainerID": execution.container_id,
        "DetachKeys": config.detach_keys,
        "Pid": run.pid,
    }
