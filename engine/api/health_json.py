"""Health as Docker's JSON and in the words of ``docker ps``. Owns the shape only."""

from typing import Any

from engine.core.containers import ContainerConfig
from engine.core.health import Health, HealthStatus, format_healthcheck
from engine.core.timeformat import format_time


def health_state_json(health: Health | None) -> dict[str, Any]:
    """Return what stands in ``State``: nothing for a container that is not probed."""
    if health is None:
        return {}
    log = [
        {
            "Start": format_time(result.started_ns),
            "End": format_time(result.ended_ns),
            "ExitCode": result.exit_code,
            "Output": result.output,
        }
        for result in health.log
    ]
    return {"Health": {"Status": str(health.status), "FailingStreak": health.failing_streak, "Log": log}}


def health_config_json(config: ContainerConfig) -> dict[str, Any]:
    """Return what stands in ``Config``."""
    return {
        **({"Healthcheck": format_healthcheck(config.healthcheck)} if config.healthcheck else {}),
        **({"Shell": list(config.shell)} if config.shell else {}),
    }


def health_suffix(health: Health | None) -> str:
    """Return what ``docker ps`` shows behind the time of a running container."""
    if health is None:
        return ""
    return " (health: starting)" if health.status is HealthStatus.STARTING else f" ({health.status})"
