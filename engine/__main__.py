"""``python -m engine serve | doctor | disk | agent``: the command line of the engine. Wires and decides nothing."""

import asyncio
import logging
import sys
from collections.abc import Sequence

USAGE = """usage: python -m engine COMMAND

  serve    run the engine daemon (--help tells its options)
  doctor   tell what this host offers, what is missing, and what that turns off
  disk     tell of the engine's disk, enlarge it, or move a plain data folder into one (--help tells more)
  agent    carry out the portal's jobs on this host (--help tells its options)
"""


def main(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    match list(arguments):
        case ["serve", *rest]:
            return _serve(rest)
        case ["doctor", *rest]:
            return _doctor(rest)
        case ["disk", *rest]:
            from engine.service.disk_command import main as run_disk

            return run_disk(rest)
        case ["agent", *rest]:
            from engine.agent.command import main as run_agent

            return run_agent(rest)
        case ["-h" | "--help"]:
            sys.stdout.write(USAGE)
            return 0
        case _:
            sys.stderr.write(USAGE)
            return 2


def _serve(arguments: Sequence[str]) -> int:
    from engine.api.daemon import Daemon
    from engine.api.sparing_log import Sparing
    from engine.errors import EngineError
    from engine.linux.capabilities import put_down
    from engine.settings import parse_serve

    put_down("CAP_SYS_RESOURCE")  # ext4 would let the engine write past the quotas of tenants
    settings = parse_serve(arguments)
    logging.basicConfig(
        level=logging.DEBUG if settings.is_verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(Sparing())
    logging.getLogger("asyncio").setLevel(logging.INFO)
    daemon = Daemon(
        data_path=settings.data_path,
        run_path=settings.run_path,
        socket_path=settings.socket_path,
        socket_group=settings.socket_group,
        registries=settings.registries,
        pools=settings.pools,
        disk=settings.disk,
    )
    try:
        asyncio.run(daemon.run())
    except EngineError as error:
        sys.stderr.write(f"engine: {error.message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"engine: {error}\n")
        return 1
    return 0


def _doctor(arguments: Sequence[str]) -> int:
    from engine.service.doctor import examine, report
    from engine.settings import parse_doctor

    findings = examine(parse_doctor(arguments))
    sys.stdout.write(report(findings))
    return 1 if any(finding.is_fatal and not finding.is_present for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
