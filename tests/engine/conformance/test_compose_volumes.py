"""Compose 1.29 and volumes: named, labelled, in memory, of another name, taken from another service, kept and taken down."""

import shutil

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian: docker-compose)"),
]


def _project(name: str, services: str, volumes: str, script: str) -> str:
    """A file of Compose, and shell in which ``end`` brings a service up and waits until it has ended."""
    return (
        f"cat >docker-compose.yml <<'END'\nversion: '2.4'\nservices:\n{services}\nvolumes:\n{volumes}\nEND\n"
        f'dc() {{ docker-compose -p {name} "$@" 2>err.log || {{ code=$?; cat err.log >&2; return $code; }}; }}\n'
        f"end() {{ dc up -d $1 >/dev/null; docker wait {name}_${{1:-db}}_1; }}\n"
        f"{script}\ncode=$?\ndc down -v -t 0 >/dev/null; exit $code"
    )


_WRITER = "  db: {image: busybox, command: sh -c 'cat /d/f; echo row >>/d/f', volumes: ['data:/d']}"

CASES = [
    Case(
        "rows survive down and up, and end with down -v",
        _project(
            "rows",
            _WRITER,
            "  data: {}",
            "end; dc down >/dev/null; end; docker logs rows_db_1; dc down -v >/dev/null; docker volume ls -q -f name=rows_",
        ),
        "0 0 row",
    ),
    Case(
        "labels and another name",
        _project(
            "labels",
            _WRITER,
            "  data: {name: shelf, labels: {a: b}}",
            "dc up -d >/dev/null; docker volume inspect -f '{{index .Labels \"a\"}} {{len .Labels}}' shelf",
        ),
        "b 4",
    ),
    Case(
        "in memory",
        _project(
            "memory",
            "  db: {image: busybox, command: sh -c 'df /d | tail -n 1 | cut -c-5; stat -c %u /d', volumes: ['data:/d']}",
            "  data: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m,uid=7'}}",
            "end; docker logs memory_db_1; docker volume inspect -f '{{.Options.o}}' memory_data",
        ),
        "0 tmpfs 7 size=1m,uid=7",
    ),
    Case(
        "a folder of the host's",
        "mkdir d; echo in >d/f; "
        + _project(
            "folder",
            _WRITER,
            "  data: {driver_opts: {type: none, device: HERE/d, o: bind}}",
            "sed -i s,HERE,$PWD, docker-compose.yml; end; docker logs folder_db_1; cat d/f",
        ),
        "0 in in row",
    ),
    Case(
        "an external one that is not there",
        _project("missing", _WRITER, "  data: {external: true, name: nowhere}", "dc up -d"),
        "",
        "nowhere",
        1,
    ),
    Case(
        "an external one stays",
        "docker volume create stays >/dev/null; "
        + _project(
            "external",
            _WRITER,
            "  data: {external: true, name: stays}",
            "end; dc down -v >/dev/null; docker volume ls -q -f name=stays",
        ),
        "0 stays",
    ),
    Case(
        "volumes of another service, to be read",
        _project(
            "from",
            "  db: {image: busybox, command: sh -c 'echo row >/d/f', volumes: ['data:/d', /e]}\n"
            "  web: {image: busybox, command: sh -c 'touch /d/g || cat /d/f; ls -d /e', volumes_from: ['db:ro']}",
            "  data: {}",
            "end db; end web; docker logs from_web_1 2>/dev/null",
        ),
        "0 0 row /e",
    ),
    Case(
        "the long form",
        _project(
            "long",
            "  db:\n    image: busybox\n    command: sh -c 'ls /home; touch /ro/x 2>&1; df /t | tail -n 1 | cut -c-5'\n"
            "    volumes:\n"
            "      - {type: volume, source: data, target: /home, volume: {nocopy: true}}\n"
            "      - {type: volume, source: data, target: /ro, read_only: true}\n"
            "      - {type: tmpfs, target: /t, tmpfs: {size: 65536}}",
            "  data: {}",
            "end; docker logs long_db_1",
        ),
        "0 touch: /ro/x: Read-only file system tmpfs",
    ),
]


@each(CASES)
def test_compose_and_volumes(players: Players, case: Case) -> None:
    players.check(case)
