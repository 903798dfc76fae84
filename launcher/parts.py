"""The parts of the product as data: what each runs, as whom, after what, and how it shows that it is ready."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from launcher.data_folder import DataFolder
from launcher.project import Project
from launcher.readiness import engine_answers, log_says, port_answers, redis_answers
from launcher.site import Site

CELERY_READY = b" ready."
# There is one worker on this queue: nobody to talk to, and no second to wait for an answer.
ALONE = ("--without-mingle", "--without-gossip", "--without-heartbeat")
BEAT_READY = b"beat: Starting"
# Not a process: the portal's database, brought up to date by the launcher.
PORTAL = "portal"


@dataclass(frozen=True, slots=True)
class Part:
    """One process.

    ``is_ready`` gets the part's log and the size that it had before the start.
    ``needs`` are parts that must be ready before the first start; ``PORTAL`` is the portal's database.
    ``stop_stage`` orders the stopping: lower numbers go first, equal ones together.
    ``is_container_parent``: its children are containers, which outlive it; others' children end with them.
    ``has_own_mounts``: what it or its children mount is unseen by the host and ends with them.
    """

    name: str
    argv: tuple[str, ...]
    is_ready: Callable[[Path, int], bool]
    needs: tuple[str, ...]
    stop_stage: int
    is_root: bool = False
    is_container_parent: bool = False
    has_own_mounts: bool = False


def all_parts(project: Project, site: Site, *, redis_server: str) -> list[Part]:
    """Return the parts in the order of their start."""
    return [
        redis_part(site.data, redis_server),
        engine_part(project, site.data, options=site.engine_options),
        _agent(project, site.data, site.host_name),
        _worker(project),
        _beat(project),
        _web(project, site),
    ]


def host_parts(project: Project, site: Site) -> list[Part]:
    """Return what needs this host, in the order of its start: the rest runs by Compose, Redis among it."""
    agent = _agent(project, site.data, site.host_name, redis_socket=site.data.compose_run / "redis.sock")
    # It waits for a Redis that may come much later, and is of use to it at once.
    alone = replace(agent, needs=("engine",), is_ready=lambda _log, _offset: True)
    return [engine_part(project, site.data, options=site.engine_options), alone]


def redis_part(data: DataFolder, program: str) -> Part:
    # Append-only and refusing rather than evicting: the job queue lives in here.
    options = {
        "port": "0", "unixsocket": str(data.redis_socket), "unixsocketperm": "700", "dir": str(data.redis), "daemonize": "no",
        "save": "", "appendonly": "yes", "maxmemory-policy": "noeviction", "logfile": "",
    }  # fmt: skip
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Part("redis", (program, *arguments), lambda _log, _offset: redis_answers(data.redis_socket), needs=(), stop_stage=2)


def engine_part(project: Project, data: DataFolder, *, options: tuple[str, ...] = ()) -> Part:
    command = ["serve", "--data", str(data.root), "--run", str(data.run), "--socket", str(data.engine_socket)]
    return Part(
        "engine",
        (project.python, "-m", "engine", *command, "--socket-group", "atelier", *options),
        lambda _log, _offset: engine_answers(data.engine_socket),
        needs=(),
        stop_stage=1,
        is_root=True,
        is_container_parent=True,
    )


def _agent(project: Project, data: DataFolder, host_name: str, *, redis_socket: Path | None = None) -> Part:
    broker = f"redis+socket://{redis_socket or data.redis_socket}"
    command = ["agent", "--host", host_name, "--broker", broker, "--engine", f"unix://{data.engine_socket}"]
    argv = (project.python, "-m", "engine", *command)
    # A killed mmdebstrap would leave its mounts, the host's own /dev/shm among them, in a folder that invites deletion.
    return Part("agent", argv, _says(CELERY_READY), needs=("redis",), stop_stage=0, is_root=True, has_own_mounts=True)


def _worker(project: Project) -> Part:
    argv = (*_celery(project), "worker", "-Q", "portal", "-n", "portal@%h", "--concurrency", "2", *ALONE, "--loglevel", "INFO")
    return Part("worker", argv, _says(CELERY_READY), needs=("redis", PORTAL), stop_stage=0)


def _beat(project: Project) -> Part:
    argv = (*_celery(project), "beat", "--loglevel", "INFO")
    return Part("beat", argv, _says(BEAT_READY), needs=("redis", PORTAL), stop_stage=0)


def _web(project: Project, site: Site) -> Part:
    argv = (project.python, "-m", "daphne", "-b", site.bind, "-p", str(site.port), "portal.config.asgi:application")
    return Part(
        "web", argv, lambda _log, _offset: port_answers(site.reachable_address, site.port), needs=("redis", PORTAL), stop_stage=0
    )


def _celery(project: Project) -> tuple[str, ...]:
    return (project.python, "-m", "celery", "-A", "portal.config")


def _says(text: bytes) -> Callable[[Path, int], bool]:
    return lambda log, offset: log_says(log, offset, text)
