"""Amounts as people write and read them: ``2 GiB``, ``1.5 CPU``, ``20 MiB/s``, plain counts. Knows no quota, only its units."""

import re
from datetime import timedelta

from django.utils.formats import number_format
from django.utils.translation import gettext as _

_STEP = 1024
_MOST = 2**53  # what every reader of JSON holds as a whole number

_BYTES = frozenset({"memory", "memory_bytes", "swap", "disk", "image_bytes"})
_FRACTIONS = frozenset({"cpus", "hours"})

_NUMBER = r"(?P<number>\d+(?:[.,]\d+)?)"
_SIZE = re.compile(rf"{_NUMBER}\s*(?P<unit>[kmgt]?)(?P<bytes>i?[bo]|bytes|octets)?", re.IGNORECASE)
_PER_SECOND = re.compile(r"\s*/\s*s\Z|(?<=[bo])ps\Z", re.IGNORECASE)
_WORDS = re.compile(r"\s*(?:v?cpus?|cores?|hours?|heures?|h|iops)\Z", re.IGNORECASE)
_NO_CEILING = frozenset({"", "-", "\u2013", "∞", "none", "unlimited", "no limit", "aucun", "aucune", "illimité", "sans limite"})
# A bare number this small is a forgotten unit, not an amount of memory.
_LEAST_BARE_BYTES = _STEP**2


class UnitError(ValueError):
    """A text that is no amount; its message is a sentence for whoever wrote it, in their language."""


def is_bytes(resource: str) -> bool:
    return resource in _BYTES


def is_rate(resource: str) -> bool:
    """Whether the resource is counted per second."""
    return resource.endswith(("_bps", "_iops"))


def parse_amount(resource: str, text: str) -> float | None:
    """Read an amount of a quota's resource; None for no ceiling. Raises UnitError, which names the text and the way out."""
    words = " ".join(text.split())
    if words.lower() in _NO_CEILING:
        return None
    if is_bytes(resource):
        return _parse_quota_bytes(words)
    if resource.endswith("_bps"):
        return _parse_quota_bytes(_PER_SECOND.sub("", words), example=_("20 MiB/s"), written=words)
    return _parse_number(resource, words)


def parse_bytes(text: str) -> int:
    """Read ``512 MiB``, ``1.5g`` or plain bytes; units are powers of 1024. Raises ValueError, OverflowError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"no amount of bytes: {text!r}")
    size = float(found["number"].replace(",", ".")) * _STEP ** " kmgt".index(found["unit"].lower() or " ")
    if size >= 2**63:
        raise OverflowError(f"more bytes than there can be: {text!r}")
    return int(size)


def format_amount(resource: str, amount: float) -> str:
    """Write an amount of a quota's resource: bytes with their unit, rates a second, counts plain."""
    if is_bytes(resource):
        return format_bytes(int(amount))
    if resource.endswith("_bps"):
        return _("%(amount)s/s") % {"amount": format_bytes(int(amount))}
    if resource.endswith("_iops"):
        return _("%(amount)s/s") % {"amount": _plain(amount)}
    return _("%(hours)s h") % {"hours": _plain(amount)} if resource == "hours" else _plain(amount)


def format_exact(resource: str, amount: float | None) -> str:
    """Write an amount so that ``parse_amount`` reads the very same one; empty for no ceiling."""
    if amount is None:
        return ""
    if resource in _FRACTIONS:
        return number_format(amount if amount != int(amount) else int(amount))
    if not (is_bytes(resource) or resource.endswith("_bps")):
        return format_amount(resource, amount)
    size = int(amount)
    power = next((power for power in (4, 3, 2, 1) if size and size % _STEP**power == 0), 0)
    text = f"{number_format(size // _STEP**power)} {_byte_units()[power]}"
    return _("%(amount)s/s") % {"amount": text} if is_rate(resource) else text


def format_bytes(size: int) -> str:
    """Write bytes in the largest unit that they fill, as quotas are counted: in powers of 1024, without needless decimals."""
    units = _byte_units()
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


def _byte_units() -> tuple[str, ...]:
    return (_("bytes"), _("KiB"), _("MiB"), _("GiB"), _("TiB"))


def _parse_quota_bytes(words: str, *, example: str = "", written: str = "") -> int:
    values = {"text": (written or words)[:60], "example": example or _("512 MiB or 2 GiB")}
    try:
        size = parse_bytes(words)
    except ValueError:
        raise UnitError(_("“%(text)s” is no amount. Write one like %(example)s.") % values) from None
    except OverflowError:
        size = _MOST + 1
    if size and words.isdecimal() and size < _LEAST_BARE_BYTES:
        raise UnitError(_("“%(text)s” has no unit. Write it like %(example)s.") % values)
    _check_most(size, values["text"])
    return size


def _parse_number(resource: str, words: str) -> float:
    number = _WORDS.sub("", words)
    if is_rate(resource):
        number = _PER_SECOND.sub("", number)
    found = re.fullmatch(_NUMBER, number)
    if found is None:
        example = _("2 or 1.5") if resource in _FRACTIONS else "10"
        raise UnitError(_("“%(text)s” is no amount. Write one like %(example)s.") % {"text": words[:60], "example": example})
    amount = float(number.replace(",", "."))
    _check_most(amount, words[:60])
    if resource in _FRACTIONS:
        return amount
    if not amount.is_integer():
        raise UnitError(_("“%(text)s” is no whole number. Write one like %(example)s.") % {"text": words[:60], "example": "10"})
    return int(amount)


def _check_most(amount: float, text: str) -> None:
    if amount > _MOST:
        raise UnitError(_("“%(text)s” is more than there can be. Leave the field empty for no limit.") % {"text": text})


def _plain(amount: float) -> str:
    return number_format(round(amount, 2)) if amount != int(amount) else number_format(int(amount))
