"""Amounts as people read them."""

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format


def format_amount(resource: str, amount: float) -> str:
    """Write an amount of a quota's resource: memory with its unit, processors with at most two decimals, counts plain."""
    if resource == "memory_bytes":
        return filesizeformat(amount)
    return number_format(round(amount, 2)) if amount != int(amount) else number_format(int(amount))
