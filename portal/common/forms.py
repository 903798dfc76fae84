"""Form fields that several apps need."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_AMOUNT = re.compile(r"(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[kmgt]?)(?:i?[bo]|bytes|octets)?", re.IGNORECASE)


class BytesField(forms.CharField):
    """An amount of memory as people write it: ``512 MiB``, ``1.5g`` or plain bytes; units are powers of 1024."""

    default_error_messages = {"invalid": _("Write an amount like 512 MiB or 2 GiB.")}  # noqa: RUF012 Django's form of a class attribute

    def to_python(self, value: Any) -> Any:
        text = str(super().to_python(value) or "").strip()
        if not text:
            return None
        found = _AMOUNT.fullmatch(text)
        if found is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        size = float(found["number"].replace(",", ".")) * 1024 ** _UNITS[found["unit"].lower()]
        if size >= 2**63:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return int(size)

    def prepare_value(self, value: Any) -> Any:
        """Show bytes in the largest unit that holds them without a rest."""
        if not isinstance(value, int) or not value:
            return value
        power = next(power for power in (4, 3, 2, 1, 0) if value % 1024**power == 0)
        return f"{value // 1024**power} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except forms.ValidationError:
            return True
