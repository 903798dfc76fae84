"""The documents name tests as evidence; each of them must exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def tests() -> set[str]:
    return {name for path in (PROJECT / "tests").rglob("test_*.py") for name in DEFINED.findall(path.read_text())}


@pytest.mark.parametrize("document", ["engine/README.md", "portal/README.md"])
def test_every_test_that_a_threat_model_names_exists(document: str, tests: set[str]) -> None:
    named = set(NAMED.findall((PROJECT / document).read_text()))
    assert named
    assert named <= tests
