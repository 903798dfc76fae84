"""Every word of the pages has a French one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CATALOGUE = Path("portal/locale/fr/LC_MESSAGES/django.po")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources that carry words, apart, because extraction writes into the folder that it reads."""
    ignored = shutil.ignore_patterns("__pycache__", "*.mo")
    for folder in ("portal", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "manage.py", tmp_path)
    return tmp_path


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.browser
def test_no_word_lacks_its_french_one(copy: Path) -> None:
    run(sys.executable, "manage.py", "makemessages", "-l", "fr", "--no-wrap", "--add-location=never", folder=copy)
    lacking = run("msgattrib", "--untranslated", "--no-obsolete", str(CATALOGUE), folder=copy)
    doubtful = run("msgattrib", "--only-fuzzy", "--no-obsolete", str(CATALOGUE), folder=copy)
    assert not lacking
    assert not doubtful


@pytest.mark.browser
def test_french_ones_hold_the_same_placeholders() -> None:
    run("msgfmt", "--check-format", "--output-file=/dev/null", str(CATALOGUE), folder=ROOT)
