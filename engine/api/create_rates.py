"""Network rates of a container as the docker command can say them: ``--network name=bridge,driver-opt=atelier.in_bps=1000000``.

Owns the names of these options. They are the container's own, on all its networks, as ``Atelier`` in ``HostConfig`` says it.
"""

from dataclasses import replace

from engine.api.decode import Document
from engine.core.containers import HostConfig
from engine.errors import InvalidParameter

_IN, _OUT = "atelier.in_bps", "atelier.out_bps"


def with_network_options(host: HostConfig, body: Document) -> HostConfig:
    """Return the host configuration with the rates that options of its networks ask for. Raises InvalidParameter."""
    networks = body.document("NetworkingConfig").document("EndpointsConfig")
    options = [networks.document(name).mapping("DriverOpts") for name in networks.keys_of()]
    into, out_of = ([_rate(name, one[name]) for one in options if name in one] for name in (_IN, _OUT))
    limits = replace(
        host.limits,
        network_in_bps=_only(_IN, host.limits.network_in_bps, into),
        network_out_bps=_only(_OUT, host.limits.network_out_bps, out_of),
    )
    return replace(host, limits=limits)


def has_other_options(endpoint: Document) -> bool:
    """Whether there are driver options that are not these."""
    return not endpoint.mapping("DriverOpts").keys() <= {_IN, _OUT}


def _only(option: str, present: int | None, asked: list[int]) -> int | None:
    rates = {*asked, *([present] if present is not None else [])}
    if len(rates) > 1:
        told = " and ".join(map(str, sorted(rates)))
        raise InvalidParameter(f"conflicting values for {option}: {told}, it counts for all networks together")
    return next(iter(rates), None)


def _rate(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise InvalidParameter(f"invalid driver option {option}={text[:40]}: use a number of bytes a second")
    return int(text)
