"""Passwords that the portal's commands print."""

import pytest

from launcher.portal_data import Credential, parse_credentials


@pytest.mark.parametrize(
    ("output", "credentials"),
    [
        ("", []),
        ("\n", []),
        ("{}", []),
        ('{"username": "admin", "password": "x"}\n', [Credential("admin", "x")]),
        ('{"ada": "x", "alan": "y"}', [Credential("ada", "x"), Credential("alan", "y")]),
    ],
    ids=["nothing new", "only a line end", "a class that existed", "one person", "a class"],
)
def test_passwords_are_read_from_the_commands_of_the_portal(output: str, credentials: list[Credential]) -> None:
    assert parse_credentials(output) == credentials
