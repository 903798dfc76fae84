"""Amounts as people read them."""

from datetime import timedelta

from django.utils.formats import number_format
from django.utils.translation import gettext as _

_STEP = 1024


def format_amount(resource: str, amount: float) -> str:
    """Write an amount of a quota's resource: memory with its unit, processors with at most two decimals, counts plain."""
    return format_bytes(int(amount)) if resource == "memory_bytes" else _plain(amount)


def format_bytes(size: int) -> str:
    """Write bytes in the largest unit that they fill, as quotas are counted: in powers of 1024, without needless decimals."""
    units = (_("bytes"), _("KiB"), _("MiB"), _("GiB"), _("TiB"))
    power = min(max(size.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{_plain(round(size / _STEP**power, 1))}\u00a0{units[power]}"


def format_duration(duration: timedelta) -> str:
    """Write how long something took in its two largest units; what took less than ten seconds with a tenth."""
    seconds = max(duration.total_seconds(), 0.0)
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": _plain(round(seconds, 1))}
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return _("%(seconds)s s") % {"seconds": rest}
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}
    return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}


def _plain(amount: float) -> str:
    return number_format(round(amount, 2)) if amount != int(amount) else number_format(int(amount))
