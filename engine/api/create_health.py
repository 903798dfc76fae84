"""``Healthcheck``, ``Shell`` and ``RestartPolicy`` of a request. Owns the decoding; the rules are the core's."""

from engine.api.decode import Document
from engine.core.health import Healthcheck, check_healthcheck
from engine.core.restart import RestartPolicy, parse_restart_policy
from engine.errors import InvalidParameter


def decode_healthcheck(body: Document) -> Healthcheck | None:
    """Return the check; None where the image's is to hold. Raises InvalidParameter."""
    if body.get("Healthcheck") is None:
        return None
    document = body.document("Healthcheck")
    check = Healthcheck(
        test=document.texts("Test"),
        interval_ns=document.integer("Interval"),
        timeout_ns=document.integer("Timeout"),
        start_period_ns=document.integer("StartPeriod"),
        start_interval_ns=document.integer("StartInterval"),
        retries=document.integer("Retries"),
    )
    check_healthcheck(check)
    return check


def decode_restart_policy(host: Document) -> RestartPolicy:
    """Return the policy. Raises InvalidParameter."""
    document = host.document("RestartPolicy")
    policy = parse_restart_policy(document.text("Name"), document.integer("MaximumRetryCount"))
    if host.boolean("AutoRemove") and not policy.is_none:
        raise InvalidParameter(f"AutoRemove and restart policy {policy.name} exclude each other: leave one out")
    return policy
