"""What `./atelier compose` makes: secrets that stay, settings that keep what was added, parts that find each other."""

import stat
from pathlib import Path

import pytest

from launcher.accounts import Account
from launcher.compose import SECRETS, make_folders, settings_of, write_settings
from launcher.data_folder import DataFolder
from launcher.parts import host_parts
from launcher.project import this_project
from launcher.site import Site

_ACCOUNT = Account(990, 991, (991,))


def _site(root: Path) -> Site:
    return Site(DataFolder(root), bind="0.0.0.0", port=80, host_name="local", engine_options=("--debug-nothing", "x"))


def test_settings_are_written_beside_those_that_somebody_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    write_settings(path, {"ATELIER_PORT": "8000"}, defaults={"ATELIER_ALLOWED_HOSTS": "localhost"})
    path.write_text(
        path.read_text().replace("localhost", "labs.example.org") + "# ours\nATELIER_ORIGINS=https://labs.example.org\n"
    )
    write_settings(path, {"ATELIER_PORT": "80"}, defaults={"ATELIER_ALLOWED_HOSTS": "localhost"})
    assert path.read_text().splitlines() == [
        "ATELIER_ALLOWED_HOSTS=labs.example.org",
        "# ours",
        "ATELIER_ORIGINS=https://labs.example.org",
        "ATELIER_PORT=80",
    ]


def test_the_settings_are_those_that_the_file_asks_for(tmp_path: Path) -> None:
    settings = settings_of(_site(tmp_path), _ACCOUNT, make_base=True)
    asked = (this_project().root / "docker-compose.yml").read_text()
    assert [name for name in settings if f"${{{name}" not in asked] == []
    assert (settings["ATELIER_UID"], settings["ATELIER_GID"], settings["ATELIER_PORT"]) == ("990", "991", "80")


def test_without_a_base_of_our_own_the_registrys_is_used(tmp_path: Path) -> None:
    assert "ATELIER_BASE" not in settings_of(_site(tmp_path), _ACCOUNT, make_base=False)


def test_engine_and_agent_alone_use_the_queue_of_compose(tmp_path: Path) -> None:
    engine, agent = host_parts(this_project(), _site(tmp_path))
    assert engine.argv[-2:] == ("--debug-nothing", "x")
    assert f"redis+socket://{tmp_path}/compose/run/redis.sock" in agent.argv
    assert agent.needs == ("engine",)


@pytest.mark.requires_root
def test_secrets_are_made_once_and_read_by_their_group_only(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    make_folders(data, _ACCOUNT)
    made = {name: (data.compose_secrets / name).read_text() for name in SECRETS}
    make_folders(data, _ACCOUNT)
    for name, secret in made.items():
        status = (data.compose_secrets / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o440, 0, 991)
        assert (data.compose_secrets / name).read_text() == secret
    assert len(set(made.values())) == len(SECRETS)
    assert stat.S_IMODE(data.compose_secrets.stat().st_mode) == 0o750
    assert stat.S_IMODE(data.compose_run.stat().st_mode) == 0o700
