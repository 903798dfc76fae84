"""What a case is: a piece of shell in which ``docker`` speaks to one daemon, and the outcome that is right for any of them.

Owns how a case is played, made comparable and judged. Who plays it is the players'.
"""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.engine.conformance.registries import Registries
from tests.engine.daemon import EngineDaemon

PATIENCE_SECONDS = 45.0

_TOOLS = (
    # For what takes its time: look again until it holds, and give up after ten seconds.
    'await() { n=0; until eval "$*"; do n=$((n+1)); [ $n -lt 200 ] || return 1; sleep .05; done; }; '
    # An image of one small file: mk NAME [FLAG of import...]
    'mk() { m=$1; shift; echo $m >f-$m; tar -c f-$m | docker import "$@" - $m >/dev/null; }; '
    # The names of all images.
    "names() { docker images --format '{{.Repository}}' | sort; }; "
    # Build with the folder or what else is named; what it says is told when it fails.
    'build() { docker build "$@" >"$BESIDE/log" 2>&1 || { C=$?; grep -v buildx "$BESIDE/log" >&2; return $C; }; }; '
)

_NORMAL = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)?\s?([kMGT]i?)?B\b"), "SIZE"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "REGISTRY"),
    (re.compile(r"\bcase-\d+"), "CASE"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One outcome for every daemon.

    Where several are right, or where only one daemon can show it on any machine, ``why`` tells the reason.
    """

    label: str
    script: str
    says: str | tuple[str, ...] = ""
    complaint: str = ""
    code: int | tuple[int, ...] = 0
    only: str = ""
    why: str = ""
    beside: str = ""

    def __post_init__(self) -> None:
        several = isinstance(self.says, tuple) or isinstance(self.code, tuple)
        assert self.why or not (several or self.only), "an exception needs a reason"


@dataclass(frozen=True, slots=True)
class Desk:
    """A daemon and a folder of the test's own, in which its scripts run; ``$BESIDE`` is the one of what was there before."""

    server: EngineDaemon
    folder: Path
    beside: Path | None = None
    registries: Registries | None = None

    def environment(self) -> dict[str, str]:
        """``$REPO`` is a repository that no other case uses."""
        registries = self.registries.environment() if self.registries else {}
        return {
            **registries,
            "REPO": f"{registries.get('REGISTRY')}/{self.folder.name}",
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "BESIDE": str(self.beside or self.folder),
            "DOCKER_BUILDKIT": "0",  # a docker that has buildx would ask for what no classic builder has
            "DOCKER_HOST": f"unix://{self.server.docker_path}",
        }

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run shell, ended with all its children when it takes too long."""
        process = subprocess.Popen(
            ["sh", "-c", _TOOLS + script],
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
            raise AssertionError(f"no end of: {script}\n{out}\n{err}") from None
        return subprocess.CompletedProcess(script, process.returncode, out, err)


def judge(case: Case, done: subprocess.CompletedProcess[str]) -> None:
    """Hold what a script did against its case."""
    codes = case.code if isinstance(case.code, tuple) else (case.code,)
    answers = case.says if isinstance(case.says, tuple) else (case.says,)
    told = f"{done.args}\nsaid: {normal(done.stdout)}\ncomplained: {done.stderr}\ncode: {done.returncode}"
    assert normal(done.stdout) in answers, told
    assert case.complaint.lower() in done.stderr.lower(), told
    assert done.returncode in codes, told


def clear(server: EngineDaemon) -> None:
    """Remove containers, networks, volumes and images but busybox."""
    server.remove_containers()
    for network in server.request("GET", "/networks").document:
        if network["Name"] not in ("bridge", "host", "none"):
            server.request("DELETE", f"/networks/{network['Id']}")
    for volume in server.request("GET", "/volumes").document["Volumes"] or []:
        server.request("DELETE", f"/volumes/{volume['Name']}?force=1")
    for image in server.request("GET", "/images/json").document:
        names = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
        others = [name for name in names if name not in ("busybox:latest", "<none>@<none>")]
        for name in others if "busybox:latest" in names else [image["Id"]]:
            server.request("DELETE", f"/images/{name}?force=1")


def normal(text: str) -> str:
    """One line, with names for what differs from run to run."""
    for pattern, name in _NORMAL:
        text = pattern.sub(name, text)
    return text.strip()


def each(table: Sequence[Case], *, beside: str = "") -> pytest.MarkDecorator:
    """Parametrize a test with the cases of a table.

    What the script ``beside`` makes is there for all of them: they look at it, or change nothing that another one sees.
    """
    assert len({case.label for case in table}) == len(table), "a label twice"
    cases = [replace(case, beside=beside) for case in table]
    return pytest.mark.parametrize("case", cases, ids=[case.label for case in cases])
