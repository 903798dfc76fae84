"""Form fields that several apps need."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.common.units import parse_bytes


class BytesField(forms.CharField):
    """An amount of memory as people write it: ``512 MiB``, ``1.5g`` or plain bytes; units are powers of 1024."""

    default_error_messages = {"invalid": _("Write an amount like 512 MiB or 2 GiB.")}  # noqa: RUF012 Django's form of a class attribute

    def to_python(self, value: Any) -> Any:
        text = str(super().to_python(value) or "").strip()
        if not text:
            return None
        try:
            return parse_bytes(text)
        except (ValueError, OverflowError):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None

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
