"""Memory as administrators write it."""

import pytest
from django.forms import ValidationError

from portal.common.forms import BytesField

MIB = 2**20


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", None),
        ("512 MiB", 512 * MIB),
        ("512m", 512 * MIB),
        ("1,5 Gio", 1536 * MIB),
        ("2G", 2048 * MIB),
        ("1000", 1000),
        ("1000 bytes", 1000),
        ("64 KB", 65536),
    ],
)
def test_amounts_are_read(text: str, size: int | None) -> None:
    assert BytesField(required=False).clean(text) == size


@pytest.mark.parametrize("text", ["much", "-1", "1 XB", "9999999 TiB", "1 MiB 2"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        BytesField().clean(text)


@pytest.mark.parametrize(("size", "text"), [(128 * MIB, "128 MiB"), (2**31, "2 GiB"), (1000, "1000 bytes"), (None, None)])
def test_bytes_are_shown_so_that_they_can_be_read_again(size: int | None, text: str | None) -> None:
    assert BytesField(required=False).prepare_value(size) == text
    assert not BytesField(required=False).has_changed(size, text)
