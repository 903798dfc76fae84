"""The command line of ``python -m engine agent``."""

import argparse
from collections.abc import Callable, Sequence

from engine.agent.application import AgentSettings, make_application

_CONCURRENCY = 8


def main(arguments: Sequence[str]) -> int:
    """Run the agent in the foreground until it is told to stop; returns its exit code."""
    settings = parse_arguments(arguments)
    # Celery's types say that it never comes back; it does, after a warm shutdown.
    run: Callable[[list[str]], object] = make_application(settings).worker_main
    run(worker_arguments(settings))
    return 0


def parse_arguments(arguments: Sequence[str]) -> AgentSettings:
    parser = argparse.ArgumentParser(prog="python -m engine agent", description="carry out the portal's jobs on this host")
    parser.add_argument("--host", required=True, help="name of this host in the portal")
    parser.add_argument("--broker", required=True, help="redis+socket:///PATH or redis://HOST:PORT")
    parser.add_argument("--engine", required=True, help="unix:///PATH of the engine's socket")
    parser.add_argument("--concurrency", type=int, default=_CONCURRENCY, help="jobs at a time (default: %(default)s)")
    parser.add_argument("--log-level", default="INFO", help="default: %(default)s")
    values = parser.parse_args(arguments)
    return AgentSettings(
        host=values.host,
        # The portal's spelling of a unix socket is taken too.
        broker=values.broker.replace("unix://", "redis+socket://", 1),
        engine=values.engine,
        concurrency=values.concurrency,
        log_level=values.log_level,
    )


def worker_arguments(settings: AgentSettings) -> list[str]:
    """Return Celery's own arguments: jobs wait for the engine, so threads serve as well as processes and share one import."""
    return [
        "worker",
        f"--queues={settings.queue}",
        f"--hostname=agent@{settings.host}",
        "--pool=threads",
        f"--concurrency={settings.concurrency}",
        f"--loglevel={settings.log_level}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
