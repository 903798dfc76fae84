"""What a case is: a piece of shell in which ``docker`` speaks to one daemon, and the outcome that is right for any of them.

Owns how a case is played, made comparable and judged. It knows no daemon.
"""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon

PATIENCE_SECONDS = 45.0

_NORMAL = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)?\s?([kMGT]i?)?B\b"), "SIZE"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One outcome for every daemon; where several are right, ``why`` tells which when."""

    label: str
    script: str
    says: str | tuple[str, ...] = ""
    complaint: str = ""
    code: int | tuple[int, ...] = 0
    why: str = ""

    def __post_init__(self) -> None:
        assert self.why or not (isinstance(self.says, tuple) or isinstance(self.code, tuple)), "several answers need a reason"


@dataclass(frozen=True, slots=True)
class Desk:
    """A daemon and a folder of the test's own, in which its scripts run."""

    server: EngineDaemon
    folder: Path

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DOCKER_HOST": f"unix://{self.server.socket_path}"}

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run shell, ended with all its children when it takes too long."""
        process = subprocess.Popen(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"no end of: {script}\n{out}\n{err}")
        return subprocess.CompletedProcess(script, process.returncode, out, err)

    def check(self, case: Case) -> None:
        """Play a case and judge it."""
        done = self.run(case.script)
        codes = case.code if isinstance(case.code, tuple) else (case.code,)
        answers = case.says if isinstance(case.says, tuple) else (case.says,)
        told = f"{case.script}\nsaid: {normal(done.stdout)}\ncomplained: {done.stderr}\ncode: {done.returncode}"
        assert normal(done.stdout) in answers, told
        assert case.complaint.lower() in done.stderr.lower(), told
        assert done.returncode in codes, told


def normal(text: str) -> str:
    """One line, with names for what differs from run to run."""
    for pattern, name in _NORMAL:
        text = pattern.sub(name, text)
    return text.strip()


def each(table: Sequence[Case]) -> pytest.MarkDecorator:
    """Parametrize a test with the cases of a table."""
    assert len({case.label for case in table}) == len(table), "a label twice"
    return pytest.mark.parametrize("case", table, ids=[case.label for case in table])
