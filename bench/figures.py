"""What a measurement is, and the table made of several. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

SKOPEO = "skopeo + umoci"
CONTENDERS = ("Atelier", "dockerd", "runc", SKOPEO)


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples of one thing, by contender. Of a rate, ``MB/s``, more is better."""

    name: str
    unit: str
    samples: dict[str, list[float]]

    def median_of(self, contender: str) -> float | None:
        found = self.samples.get(contender)
        return median(found) if found else None

    @property
    def ratio(self) -> float | None:
        """How many times less Atelier takes than dockerd; of a rate, how many times more it is."""
        ours, theirs = self.median_of("Atelier"), self.median_of("dockerd")
        if not ours or not theirs:
            return None
        return ours / theirs if self.unit.endswith("/s") else theirs / ours


def format_value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 1 else 3
    return f"{value:.{digits}f} {unit}"


def format_table(figures: Sequence[Figure]) -> str:
    """A Markdown table of medians, with a column for each contender that did something."""
    shown = [contender for contender in CONTENDERS if any(contender in figure.samples for figure in figures)]
    rows = [["figure (median)", *shown, "dockerd / Atelier"]]
    for figure in figures:
        values = [format_value(figure.median_of(contender), figure.unit) for contender in shown]
        ratio = f"{figure.ratio:.1f}" if figure.ratio else "-"
        rows.append([figure.name, *values, ratio])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
