"""Exercises with volumes: a database's rows outlive its container, wherever its data lie."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.courses.exercise import build, docker, start, wait_for_health
from tests.engine.daemon import EngineDaemon

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.timeout(600),  # the base may still be in the making
]

_DATA = "/var/lib/mysql"
_TABLE = "CREATE TABLE notes (text VARCHAR(99)); INSERT INTO notes VALUES ('first'), ('second')"


@pytest.fixture
def folder(engine: EngineDaemon, tmp_path: Path) -> Iterator[Path]:
    """A folder of the host for a container's data, which belong to a user of the container."""
    path = tmp_path / "data"
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    yield path
    engine.remove_containers()
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=False)


def test_rows_on_a_named_volume_outlive_the_container(engine: EngineDaemon) -> None:
    build(engine, "mariadb")
    _database_with_notes(engine, "-v", f"notes:{_DATA}")
    docker(engine, "rm", "-f", "mariadb")
    assert _notes_of_new_database(engine, "-v", f"notes:{_DATA}") == "first\nsecond"
    docker(engine, "rm", "-f", "-v", "mariadb")
    assert docker(engine, "volume", "ls", "-q") == "notes"
    docker(engine, "volume", "rm", "notes")


def test_rows_on_an_anonymous_volume_outlive_the_container_unless_it_is_removed_with_them(engine: EngineDaemon) -> None:
    build(engine, "mariadb")
    _database_with_notes(engine)
    volume = docker(engine, "inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", "mariadb")
    docker(engine, "rm", "-f", "mariadb")
    assert docker(engine, "volume", "ls", "-q", "-f", "dangling=true") == volume
    assert _notes_of_new_database(engine, "-v", f"{volume}:{_DATA}") == "first\nsecond"
    docker(engine, "rm", "-f", "mariadb")
    docker(engine, "volume", "rm", volume)
    start(engine, "mariadb")
    docker(engine, "rm", "-f", "-v", "mariadb")
    assert docker(engine, "volume", "ls", "-q") == ""


def test_rows_in_a_folder_of_the_host_outlive_the_container(engine: EngineDaemon, folder: Path) -> None:
    build(engine, "mariadb")
    _database_with_notes(engine, "-v", f"{folder}:{_DATA}")
    docker(engine, "rm", "-f", "mariadb")
    assert (folder / "classroom" / "notes.frm").exists()
    assert _notes_of_new_database(engine, "-v", f"{folder}:{_DATA}") == "first\nsecond"


def test_another_container_asks_the_database_by_its_name(engine: EngineDaemon) -> None:
    build(engine, "mariadb")
    docker(engine, "network", "create", "backend")
    _database_with_notes(engine, "--network", "backend")
    count = docker(
        engine, "run", "--rm", "--network", "backend", "--entrypoint", "mariadb", "mariadb",
        "-h", "mariadb", "-u", "student", "-pclassroom", "-N", "-e", "SELECT COUNT(*) FROM notes", "classroom",
    )  # fmt: skip
    assert count == "2"


def _database_with_notes(engine: EngineDaemon, *options: str) -> None:
    start(engine, "mariadb", *options)
    wait_for_health(engine, "mariadb")
    _ask(engine, _TABLE)


def _notes_of_new_database(engine: EngineDaemon, *options: str) -> str:
    start(engine, "mariadb", *options)
    wait_for_health(engine, "mariadb")
    return _ask(engine, "SELECT text FROM notes ORDER BY text")


def _ask(engine: EngineDaemon, statement: str) -> str:
    return docker(engine, "exec", "mariadb", "mariadb", "-u", "root", "-N", "-e", statement, "classroom")
