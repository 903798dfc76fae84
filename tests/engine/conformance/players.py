"""Players: daemons on which the cases of a whole run are played ahead, several at once, while the tests wait for what they ask.

Owns who plays what and when. A case is judged by its test.
"""

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.engine.conformance.cases import Case, Desk, clear, judge
from tests.engine.conformance.registries import Registries, registries_beside
from tests.engine.conformance.tenant_engine import TenantEngine
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import Dockerd

KINDS: dict[str, type[EngineDaemon]] = {"atelier": EngineDaemon, "dockerd": Dockerd}
_PLAYED_ON: dict[str, type[EngineDaemon]] = {**KINDS, "tenant": TenantEngine}

# Most of a case is waiting. Of dockerd's it is longer.
_AT_ONCE = {"atelier": 2, "dockerd": 3, "tenant": 4}

Outcome = CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Job:
    """Cases that are played one after another on the same containers, or a single one on none."""

    beside: str
    cases: tuple[Case, ...]

    @property
    def needs_registries(self) -> bool:
        scripts = [self.beside, *(case.script for case in self.cases)]
        return any(word in script for script in scripts for word in ("$REPO", "$REGISTRY", "$LOCKED"))


def jobs_of(cases: Iterable[Case]) -> list[Job]:
    """Put together what is played beside the same containers."""
    shared: dict[str, list[Case]] = {}
    single = []
    for case in cases:
        if case.beside:
            shared.setdefault(case.beside, []).append(case)
        else:
            single.append(Job("", (case,)))
    return [*(Job(beside, tuple(group)) for beside, group in shared.items()), *single]


class Players:
    """The players of one kind of daemon; of the kind "tenant" all goes through a tenant's own socket."""

    def __init__(self, kind: str, cases: Sequence[Case]) -> None:
        self._kind = kind
        self._outcomes: dict[Case, Future[Outcome]] = {case: Future() for case in cases}
        self._jobs = iter(jobs_of(self._outcomes))
        self._lock = threading.Lock()
        self._ended = False
        self._threads = [threading.Thread(target=self._play) for _ in range(_AT_ONCE[kind])]
        for thread in self._threads:
            thread.start()

    def check(self, case: Case) -> None:
        """Wait for a case's outcome and judge it."""
        if case not in self._outcomes:
            pytest.skip(f"{case.only} only: {case.why}")
        judge(case, self.outcome(case))

    def outcome(self, case: Case) -> Outcome:
        """Wait for what came of a case."""
        return self._outcomes[case].result()

    def end(self) -> None:
        """Play nothing more."""
        self._ended = True
        for thread in self._threads:
            thread.join()

    def _next_jobs(self) -> Iterator[Job]:
        while True:
            with self._lock:
                job = None if self._ended else next(self._jobs, None)
            if job is None:
                return
            yield job

    def _play(self) -> None:
        with ExitStack() as stack:
            server: EngineDaemon | None = None
            registries: Registries | None = None
            for job in self._next_jobs():
                try:
                    server = server or _started(self._kind, stack)
                    if registries is None and job.needs_registries:
                        registries = stack.enter_context(registries_beside(server.pid))
                    self._play_job(server, job, registries)
                except (Exception, pytest.skip.Exception) as error:  # whoever waits for an outcome is to get one
                    self._give_up(job, error)

    def _play_job(self, server: EngineDaemon, job: Job, registries: Registries | None) -> None:
        folder = Path(tempfile.mkdtemp(prefix="conformance-desk-"))
        try:
            prepared = Desk(server, folder, registries=registries).run(job.beside) if job.beside else None
            for case in job.cases:
                if prepared is not None and prepared.returncode != 0:
                    self._outcomes[case].set_result(prepared)
                else:
                    self._play_case(case, Desk(server, folder / f"case-{id(case)}", folder, registries))
            clear(server)
        finally:
            shutil.rmtree(folder)

    def _play_case(self, case: Case, desk: Desk) -> None:
        desk.folder.mkdir()
        try:
            done = desk.run(case.script)
            if "internal error" in done.stderr:
                done.stderr += desk.server.log_path.read_text()[-3000:]
            self._outcomes[case].set_result(done)
        except AssertionError as error:
            self._outcomes[case].set_exception(error)

    def _give_up(self, job: Job, error: BaseException) -> None:
        for case in job.cases:
            if not self._outcomes[case].done():
                self._outcomes[case].set_exception(error)


def _started(kind: str, stack: ExitStack) -> EngineDaemon:
    server = _PLAYED_ON[kind]()
    stack.callback(server.destroy)
    server.start().import_busybox()
    return server
