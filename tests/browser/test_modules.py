"""Runs the tests of the scripts' pure parts in Node."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).parent / "modules"
ROOT = Path(__file__).parents[2]


def find_node() -> str | None:
    """Return Node of the machine, or of the virtual environment that set-up fills where there is none."""
    return shutil.which("node", path=os.pathsep.join([os.environ.get("PATH", ""), str(ROOT / ".venv" / "bin")]))


@pytest.mark.browser
def test_the_pure_parts_of_the_scripts_pass_their_own_tests() -> None:
    node = find_node()
    assert node, "no Node on this machine; run ./atelier setup"
    files = [str(path) for path in sorted(MODULES.glob("*.test.js"))]
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
