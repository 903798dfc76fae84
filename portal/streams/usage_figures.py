"""What the engine says of tenants' usage, cut down to what gauges show. Pure: documents in, changes out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Figures = dict[str, dict[str, Any]]  # by resource: used, limit, and where there is one peak and over

# A document of a host with a thousand tenants is far smaller; what is longer is none.
LONGEST_LINE = 4 * 2**20


@dataclass(slots=True)
class DocumentReader:
    """Feed it chunks of a stream with one JSON document a line."""

    _rest: bytes = b""

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """Yield whole documents. Raises ValueError for what is none, or too long."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise ValueError("a line without end")
        yield from (json.loads(line) for line in lines if line.strip())


def read_figures(document: Any) -> dict[str, Figures]:
    """Return the figures of each tenant in a document of ``GET /tenants``; what is not there is left out."""
    return {str(item["name"]): _figures_of(item) for item in document}


def _figures_of(item: Mapping[str, Any]) -> Figures:
    limits, usage, peak = item.get("limits") or {}, item.get("usage") or {}, item.get("peak") or {}
    over = set(item.get("over") or ())
    figures = {}
    for resource, limit in limits.items():
        used = _rounded(usage.get(resource))
        if used is None and limit is None:
            continue
        figures[resource] = {"used": used, "limit": limit}
        if peak.get(resource) is not None:
            figures[resource]["peak"] = peak[resource]
        if resource in over:
            figures[resource]["over"] = True
    return figures


def _rounded(amount: Any) -> float | None:
    """A gauge shows two places at most: what changes behind them is no news."""
    return round(amount, 2) if isinstance(amount, float) else amount


@dataclass(slots=True)
class Figureboard:
    """The newest figures by tenant, and of those what was not told yet. Holds one figure each, however fast they come."""

    _newest: dict[str, Figures] = field(default_factory=dict)
    _told: dict[str, Figures] = field(default_factory=dict)

    def take(self, figures: Mapping[str, Figures], *, of: frozenset[str]) -> None:
        """Put ``figures`` in place of those of the tenants ``of`` which their stream told before."""
        for gone in of - set(figures):
            self._newest.pop(gone, None)
        self._newest.update(figures)

    def changes(self) -> dict[str, Any]:
        """Return what differs from what was told, and count it as told; None stands for a tenant that is gone."""
        changed: dict[str, Any] = {name: None for name in self._told if name not in self._newest}
        for name, figures in self._newest.items():
            told = self._told.get(name, {})
            news: dict[str, Any] = {resource: figure for resource, figure in figures.items() if told.get(resource) != figure}
            news |= {resource: None for resource in told if resource not in figures}
            if news or name not in self._told:
                changed[name] = news
        self._told = dict(self._newest)
        return changed
