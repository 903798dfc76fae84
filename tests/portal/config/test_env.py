"""What is read from the environment."""

import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.config.env import broker_url, load_secret_key, read_environment


def test_a_data_folder_is_enough(tmp_path: Path) -> None:
    environment = read_environment({"ATELIER_DATA": str(tmp_path)})
    assert environment.database["NAME"] == f"{tmp_path}/portal.sqlite3"
    assert environment.redis_url == f"unix://{tmp_path}/redis.sock"
    assert environment.host_name == "local"
    assert not environment.debug


def test_a_postgresql_address_is_taken_apart() -> None:
    url = "postgresql://at%40lier:p%2Fw@db.example:5433/portal"
    database = read_environment({"ATELIER_DATABASE_URL": url}).database
    assert (database["USER"], database["PASSWORD"], database["HOST"], database["PORT"], database["NAME"]) == (
        "at@lier", "p/w", "db.example", "5433", "portal",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATELIER_DATABASE_URL", "mysql://x/y"),
        ("ATELIER_DATABASE_URL", "sqlite://"),
        ("ATELIER_REDIS_URL", "/run/redis.sock"),
        ("ATELIER_TIME_ZONE", "Moon/Sea"),
        ("ATELIER_EMAIL_PORT", "smtp"),
        ("ATELIER_EMAIL_PORT", "70000"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        read_environment({name: value})


def test_no_mail_server_means_no_mail(tmp_path: Path) -> None:
    assert not read_environment({"ATELIER_DATA": str(tmp_path)}).mail.host


@pytest.mark.parametrize(("port", "speaks_tls", "asks_for_tls"), [("", False, False), ("465", True, False), ("587", False, True)])
def test_a_mail_server_is_described_by_a_few_variables(tmp_path: Path, port: str, speaks_tls: bool, asks_for_tls: bool) -> None:
    (tmp_path / "password").write_text("p/w\n")
    mail = read_environment(
        {
            "ATELIER_EMAIL_HOST": "mail.example.org",
            "ATELIER_EMAIL_PORT": port,
            "ATELIER_EMAIL_USER": "atelier",
            "ATELIER_EMAIL_PASSWORD_FILE": str(tmp_path / "password"),
            "ATELIER_EMAIL_FROM": "labs@example.org",
        }
    ).mail
    assert (mail.host, mail.port, mail.user, mail.password) == ("mail.example.org", int(port or 25), "atelier", "p/w")
    assert (mail.sender, mail.speaks_tls, mail.asks_for_tls) == ("labs@example.org", speaks_tls, asks_for_tls)


def test_days_begin_in_the_time_zone_that_is_named(tmp_path: Path) -> None:
    assert read_environment({"ATELIER_DATA": str(tmp_path)}).time_zone == "UTC"
    assert read_environment({"ATELIER_TIME_ZONE": "Europe/Paris"}).time_zone == "Europe/Paris"


def test_celery_gets_its_own_spelling_of_a_unix_socket() -> None:
    assert broker_url("unix:///a/redis.sock") == "redis+socket:///a/redis.sock"
    assert broker_url("redis://localhost:6379") == "redis://localhost:6379"


def test_the_secret_key_is_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    key = load_secret_key(tmp_path)
    assert load_secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_secrets_come_from_files(tmp_path: Path) -> None:
    password, key = tmp_path / "password", tmp_path / "key"
    password.write_text("p/w\n")
    key.write_text("signs\n")
    environment = read_environment(
        {
            "ATELIER_DATABASE_URL": "postgresql://atelier@database/atelier",
            "ATELIER_DATABASE_PASSWORD_FILE": str(password),
            "ATELIER_SECRET_KEY_FILE": str(key),
        }
    )
    assert environment.database["PASSWORD"] == "p/w"
    assert load_secret_key(tmp_path, environment.secret_key_path) == "signs"
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("name", ["ATELIER_DATABASE_PASSWORD_FILE", "ATELIER_SECRET_KEY_FILE"])
def test_a_secret_that_is_missing_or_empty_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        read_environment({name: str(tmp_path / "nosuch")})
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ImproperlyConfigured, match="is empty"):
        read_environment({name: str(tmp_path / "empty")})
