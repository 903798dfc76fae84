"""What is said of amounts and to whoever is refused one: how much is left, of what, and the ways out. Pure."""

from collections.abc import Sequence

MOST_NAMES = 3
_STEPS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_IN_BYTES = frozenset({"memory", "swap", "disk", "image_bytes"})
_TITLES = {"pids": "process", "running": "running container", "containers": "container", "images": "image"}
_TITLES |= {"volumes": "volume", "networks": "network", "ports": "published port", "cpus": "cpu", "image_bytes": "image size"}
_ARE_STOPPED = frozenset({"memory", "swap", "cpus", "pids", "running", "ports"})
_HAVE_SIZES = frozenset({"memory", "swap", "cpus", "pids"})


def format_amount(resource: str, amount: float) -> str:
    """Return an amount as people write it: ``1.5 GiB``, ``2.5 cpus``, ``3``; rates are bytes or operations a second."""
    if resource in _IN_BYTES or resource.endswith("_bytes"):
        return _bytes(amount)
    if resource.endswith("_bps"):
        return f"{_bytes(amount)}/s"
    if resource.endswith("_iops"):
        return f"{amount:g}/s"
    if resource == "cpus":
        return f"{round(amount, 2):g} {'cpu' if round(amount, 2) == 1 else 'cpus'}"
    return str(int(amount))


def refusal_text(resource: str, *, tenant: str, limit: float, used: float, requested: float, names: Sequence[str] = ()) -> str:
    """Return why more is refused and what would help; ``names`` are what the refused one could do without."""
    left = format_amount(resource, max(0, limit - used))
    needed = f"{format_amount(resource, requested)} needed, " if requested else ""
    have = f"{needed}{left} left of {format_amount(resource, limit)}"
    return f"{_quota_of(resource, tenant)}: {have}; {_ways_out(resource, names)}"


def too_large_text(resource: str, *, tenant: str, limit: float, requested: float) -> str:
    """Return why something is refused that is larger than all the tenant may have."""
    have = f"{format_amount(resource, requested)} needed, {format_amount(resource, limit)} is all there is"
    return f"{_quota_of(resource, tenant)}: {have}; choose a smaller size, or ask for more"


def _quota_of(resource: str, tenant: str) -> str:
    title = _TITLES.get(resource, resource.replace("_", " "))
    return f"{title} quota of {tenant if '/' in tenant else f'team {tenant}'}"


def _ways_out(resource: str, names: Sequence[str]) -> str:
    verb = "stop" if resource in _ARE_STOPPED else "remove"
    shown = list(names[:MOST_NAMES])
    ways = [f"{verb} {'one of ' if len(shown) > 1 else ''}{', '.join(shown)}"] if shown else []
    if resource in _HAVE_SIZES:
        ways.append("choose a smaller size")
    if resource == "disk" and not shown:
        ways.append("remove containers, volumes, images or what builds have left (prune)")
    if resource == "image_bytes":
        ways.append("use a smaller image")
    return f"{', '.join(ways)}, or ask for more" if ways else "ask for more"


def _bytes(amount: float) -> str:
    """In the largest unit that leaves at least one, with two places where they say something."""
    power = 0
    while abs(amount) >= 1024 and power < len(_STEPS) - 1:
        amount, power = amount / 1024, power + 1
    return f"{int(amount)} B" if not power else f"{round(amount, 2 if amount < 10 else 1):g} {_STEPS[power]}"
