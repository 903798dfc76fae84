"""The user. A user's name is the member part of the tenant that owns their objects on a host."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

USERNAME_LENGTH = 32

validate_username = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9_.-]{0,30}[a-z0-9])?\Z",
    _("Use 1 to 32 of a-z, 0-9, dot, dash and underscore, beginning and ending with a letter or digit."),
)


class User(AbstractUser):
    """An administrator is a user with ``is_superuser``; all other roles come from memberships of teams."""

    username = models.CharField(
        _("user name"),
        max_length=USERNAME_LENGTH,
        unique=True,
        validators=[validate_username],
        error_messages={"unique": _("A user with that name already exists.")},
    )

    REQUIRED_FIELDS: ClassVar[list[str]] = []

    @property
    def is_administrator(self) -> bool:
        return self.is_active and self.is_superuser

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username
