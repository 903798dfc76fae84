"""Compose 1.29 with ``build:``, and the whole way of a lesson: build, push, remove, pull."""

import shutil
from dataclasses import replace

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian: docker-compose)"),
    pytest.mark.skipif(
        shutil.which("docker-registry") is None, reason="docker-registry is not installed (Debian: docker-registry)"
    ),
]

_TWO = """
services:
  web:
    build: ./web
    image: ${REGISTRY}/composed/web
    network_mode: bridge
  job:
    build:
      context: .
      dockerfile: Job.dockerfile
      target: first
      args: {A: given}
      labels: {l: m}
      network: none
    network_mode: bridge
"""
_DC = 'dc() { docker-compose -p p -f "$BESIDE/docker-compose.yml" "$@"; };'
_PROJECT = f"""cat >docker-compose.yml <<'END'{_TWO}END
mkdir web
printf 'FROM busybox\\nCOPY page /page\\nCMD cat /page\\n' >web/Dockerfile
echo hello >web/page
printf 'FROM busybox AS first\\nARG A\\nENV B=$A\\nCMD echo $B\\nFROM busybox\\nRUN false\\n' >Job.dockerfile
{_DC} dc build"""

# One after another on the same project.
CASES = [
    Case("build", "docker images --format '{{.Repository}}' | sort", "REGISTRY/composed/web busybox p_job"),
    Case(
        "labels, arguments and target",
        "docker inspect -f '{{.Config.Labels}} {{.Config.Env}}' p_job | sed 's/PATH=[^ ]* //'",
        "map[l:m] [B=given]",
    ),
    Case(
        "build again changes nothing",
        "A=$(docker images -q p_job); dc build >/dev/null 2>&1; [ $A = $(docker images -q p_job) ] && echo same",
        "same",
    ),
    Case("run", "dc run --rm -T job; dc run --rm -T web", "given hello"),
    Case(
        "up --build after a change",
        "echo changed >$BESIDE/web/page; dc up --build --no-color web 2>/dev/null | grep -o 'changed';"
        " docker images -q --filter dangling=true | wc -l",
        "changed 1",
    ),
    Case(
        "push, pull",
        "dc push web >/dev/null 2>&1; docker rm -f $(docker ps -aq) >/dev/null;"
        " docker rmi $REGISTRY/composed/web >/dev/null; dc pull web >/dev/null 2>&1; dc run --rm -T web",
        "changed",
    ),
    Case("images", "dc up -d job >/dev/null 2>&1; dc images -q | sort -u | wc -l", "1"),
    Case(
        "down --rmi local",
        "dc down --rmi local >/dev/null 2>&1; docker images -q p_job; docker images -q $REGISTRY/composed/web",
        "ID",
    ),
]


@each([replace(case, script=f"{_DC} {case.script}") for case in CASES], beside=_PROJECT)
def test_compose_builds(players: Players, case: Case) -> None:
    players.check(case)
