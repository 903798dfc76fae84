"""The cells of the tables of quotas: one resource of one tenant, and sums of ceilings. Finished values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from portal.common.units import format_amount, format_exact
from portal.teams.models import TenantOnHost
from portal.teams.quotas import NO_QUOTA, Amounts, Quota, overcommit
from portal.teams.resource_names import resource_name

# The columns of the page; all else stands on the sheet of each row.
MAIN = ("cpus", "memory", "disk", "pids", "containers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """``value`` stands in the field, ``held`` is what was saved last, ``placeholder`` what holds where the field is empty.

    ``percent`` is None without a bar.
    """

    resource: str
    label: str
    field_id: str
    used: str
    limit: str
    value: str
    held: str
    placeholder: str
    granted: str
    percent: int | None
    is_full: bool
    is_over: bool
    tenant: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumCell:
    """The sum of ceilings against what there is; ``percent`` is in percent, empty where there is nothing to compare with."""

    label: str
    total: str
    whole: str
    percent: str
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What the cells of a row are made of. ``own``: values as they were set; ``quota``: what holds; ``default``: without them."""

    tenant: str
    own: Mapping[str, float | None]
    quota: Quota
    usage: Amounts
    over: frozenset[str] = frozenset()
    default: Quota = NO_QUOTA
    grants: Amounts = field(default_factory=dict)


def over_of(states: Sequence[TenantOnHost]) -> frozenset[str]:
    """Return the resources of which a host says that more is in use than may be."""
    return frozenset(name for row in states for name in row.report.get("over") or [])


def make_cell(name: str, holding: Holding) -> Cell:
    limit, used, granted = holding.quota.limit(name), holding.usage.get(name), holding.grants.get(name)
    is_full = limit is not None and used is not None and used >= limit
    value = _words(name, holding.own[name]) if name in holding.own else ""
    return Cell(
        resource=name,
        label=resource_name(name),
        field_id=f"quota-field-{holding.tenant.replace('/', ':')}:{name}",
        used="" if used is None else format_amount(name, used),
        limit=_("no limit") if limit is None else format_amount(name, limit),
        value=value,
        held=value,
        placeholder=_words(name, holding.default.limit(name)),
        granted=format_amount(name, granted) if granted and limit is not None else "",
        percent=None if limit is None or used is None else _percent(used, limit),
        is_full=is_full,
        is_over=name in holding.over,
        tenant=holding.tenant,
    )


def with_words(cell: Cell, words: Mapping[str, str], errors: Mapping[str, str]) -> Cell:
    """Return the cell as somebody left it: their words in the field, and what is wrong with them beside."""
    return replace(cell, value=words.get(cell.resource, cell.value), error=errors.get(cell.resource, ""))


def sum_cells(quotas: list[Quota], whole: Mapping[str, float | None]) -> list[SumCell]:
    """Return the sums of the ceilings in the columns of the page, against ``whole`` where that has a figure."""
    totals = overcommit(quotas, {**dict.fromkeys(MAIN, 0.0), **dict.fromkeys(whole, 0.0)})
    return [_sum_cell(name, totals[name], whole.get(name)) for name in MAIN]


def _sum_cell(name: str, total: float, whole: float | None) -> SumCell:
    return SumCell(
        label=resource_name(name),
        total=format_amount(name, total) if total else "",
        whole="" if whole is None else format_amount(name, whole),
        percent=_("%(percent)s %%") % {"percent": round(100 * total / whole)} if total and whole else "",
        is_over=whole is not None and total > whole,
    )


def _words(name: str, amount: float | None) -> str:
    return _("no limit") if amount is None else format_exact(name, amount)


def _percent(used: float, limit: float) -> int:
    return min(100, round(100 * used / limit)) if limit else 100
