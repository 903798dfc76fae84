"""Writes users."""

import secrets

from django.db import transaction

from portal.accounts.models import User

# Without letters and digits that are mistaken for each other when a password is copied from a wall.
_PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105 an alphabet, not a password
_PASSWORD_LENGTH = 12


def make_password() -> str:
    """Return a random password of 60 bits."""
    return "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_PASSWORD_LENGTH))


@transaction.atomic
def ensure_user(username: str, *, full_name: str = "", is_administrator: bool = False) -> tuple[User, str | None]:
    """Return the user and, only if newly made, the password."""
    user = User.objects.filter(username=username).first()
    if user is not None:
        return user, None
    first, _, last = full_name.partition(" ")
    user = User(username=username, first_name=first, last_name=last, is_superuser=is_administrator, is_staff=is_administrator)
    password = make_password()
    user.set_password(password)
    user.full_clean()
    user.save()
    return user, password
