"""What the daemon may ask of the supervisor, one method a request.

Owns decoding and answers; the processes themselves are in ``custody``. Part of the supervisor: standard library and no typing
at run time.

Requests: hello recover adopt orphan sweep create start abort exec groups files socket reaped forget flow close_stdin quit;
upgrade is the supervisor's own.
Events: process started exit reap replaced.
"""

from __future__ import annotations

import base64
import os

from engine.linux import pidfd as pidfds
from engine.runtime import custody as custodies
from engine.runtime import departure, launch
from engine.runtime.code_version import code_version
from engine.runtime.descriptors import Descriptors
from engine.runtime.dialling import open_socket
from engine.runtime.inflight import read_inflight
from engine.runtime.steps import LaunchError, describe
from engine.runtime.supervised import Supervised, identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.core.launch import CgroupSpec, LogSpec, ProcessSpec
    from engine.linux.packets import Body
    from engine.runtime.custody import Custody
    from engine.runtime.files_workers import FilesWorkers
    from engine.runtime.inflight import Inflight, Written
    from engine.runtime.launch import Launched

    Answer = tuple[Body, dict[str, int]]


CODE = code_version()  # of what runs here, also when the files are replaced later


class Refusal(Exception):
    """A request that cannot be met; ``kind`` names a class of engine.errors."""

    def __init__(self, kind: str, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.answer = {"error": {"kind": kind, "message": message, "exit_code": exit_code}}


class Requests:
    """``handle`` answers at once, or with None when the answer comes later or is not wanted."""

    def __init__(self, custody: Custody, inflight: Inflight, files: FilesWorkers) -> None:
        self._custody = custody
        self._files = files
        self._inflight = inflight
        self._mounts = launch.MountCache()
        self._written: Written | None = None
        self._handed = -1

    def handle(self, body: Body, fds: dict[str, int]) -> Answer | None:
        """Raises Refusal; anything else it raises is a bug."""
        answer: Answer | None = getattr(self, f"_op_{body['op']}")(body, fds)
        return answer

    def _op_hello(self, _body: Body, _fds: dict[str, int]) -> Answer:
        self._custody.announce_all()
        found = {"pid": os.getpid(), "processes": list(self._custody.table), "code": CODE}
        return found, self._inflight.fds()

    def _op_recover(self, _body: Body, fds: dict[str, int]) -> Answer:
        self._written = read_inflight(fds)
        for fd in fds.values():
            os.close(fd)
        return {}, {}

    def _op_adopt(self, body: Body, fds: dict[str, int]) -> Answer:
        self._custody.adopt(Supervised(body["process"], fds), self._written)
        return {}, {}

    def _op_orphan(self, body: Body, _fds: dict[str, int]) -> Answer:
        pidfd = _open_pidfd(body["id"], body["pid"], body["identity"])
        process = Supervised(
            _facts(
                {"id": body["id"], "kind": "container", "container_id": body["id"]},
                pid=body["pid"],
                pidfd=pidfd,
                log=body["log"],
                cgroup=body["cgroup"],
            ),
            {"pidfd": pidfd},
        )
        process.facts["started_at_ns"] = body["started_at_ns"]
        self._custody.adopt(process, None)
        self._custody.announce(process)
        return {}, {}

    def _op_sweep(self, body: Body, _fds: dict[str, int]) -> Answer:
        departure.try_remove_cgroups(body["cgroup"])
        return {}, {}

    def _op_create(self, body: Body, _fds: dict[str, int]) -> Answer:
        spec = body["spec"]
        container_id = spec["container_id"]
        self._refuse_known(container_id)
        try:
            launched = launch.create_container(spec, self._mounts)
        except (LaunchError, OSError) as error:
            raise _refusal(error) from error
        names = {"id": container_id, "kind": "container", "container_id": container_id}
        process = _supervised(names, launched, spec["process"], log=spec["log"], cgroup=spec["cgroup"])
        process.facts.update(flow_bytes=spec.get("flow_bytes", 0), acknowledged=spec.get("acknowledged"))
        self._custody.take(process)
        self._custody.announce(process, {"netns": launched.netns})
        os.close(launched.netns)
        return {}, {}

    def _op_start(self, body: Body, _fds: dict[str, int]) -> Answer | None:
        process = self._get(body["id"])
        if process.has_started or process.is_starting:
            raise Refusal("Conflict", f"container {process.id} is started already")
        if process.is_undone:
            self._custody.forget(process)
            return {"error": custodies.failure(process)}, {}
        process.request = body["n"]
        if not process.is_doomed:
            self._release(process, [base64.b64decode(message) for message in body["netlink"]])
        return None

    def _op_abort(self, body: Body, _fds: dict[str, int]) -> Answer | None:
        process = self._get(body["id"])
        if process.has_started:
            raise Refusal("Conflict", f"container {process.id} is started already: stop it instead")
        if process.is_undone:
            self._custody.forget(process)
            return {}, {}
        process.request, process.is_unwanted = body["n"], True
        self._custody.doom(process)
        return None

    def _op_exec(self, body: Body, _fds: dict[str, int]) -> None:
        spec = body["spec"]
        container = self._get(spec["container_id"])
        self._refuse_known(spec["exec_id"])
        if not self._custody.is_running(container.id):
            raise Refusal("Conflict", f"container {container.id} is not running")
        try:
            launched = launch.enter_container(spec, container.pidfd)
        except (LaunchError, OSError) as error:
            if not self._custody.is_running(container.id):
                raise Refusal("Conflict", f"container {container.id} is not running") from error
            raise _refusal(error) from error
        names = {"id": spec["exec_id"], "kind": "exec", "container_id": container.id}
        process = _supervised(names, launched, spec["process"], log=spec["log"], cgroup=None)
        process.facts["flow_bytes"] = spec["flow_bytes"]
        process.request, process.is_starting = body["n"], True
        self._custody.take(process)

    def _op_files(self, body: Body, fds: dict[str, int]) -> Answer:
        spec = body["spec"]
        try:
            pidfd = self._get(spec["container_id"]).pidfd if spec["view"] == "running" else -1
            found = self._files.start(spec, container_pidfd=pidfd, cache=self._mounts, data=fds["data"], report=fds["report"])
        except (LaunchError, OSError) as error:
            raise _refusal(error) from error
        finally:
            for fd in fds.values():
                os.close(fd)
        return {}, {"pidfd": found}

    def _op_reaped(self, body: Body, _fds: dict[str, int]) -> None:
        process = self._custody.table.get(body["id"])
        if process is not None:
            self._custody.note_status(process, body["wait_status"])

    def _op_forget(self, body: Body, _fds: dict[str, int]) -> None:
        process = self._custody.table.get(body["id"])
        if process is not None and process.facts["exit"] is not None:
            self._custody.forget(process)

    def _op_flow(self, body: Body, _fds: dict[str, int]) -> None:
        process = self._custody.table.get(body["id"])
        if process is not None:
            process.acknowledge(body["position"])

    def _op_groups(self, body: Body, _fds: dict[str, int]) -> Answer:
        process, groups = self._get(body["id"]), body["groups"]
        cgroup = process.facts["cgroup"]
        for name in ("directories", "join"):
            cgroup[name] += [directory for directory in groups[name] if directory not in cgroup[name]]
        return {"cgroup": cgroup}, {}

    def _op_socket(self, body: Body, _fds: dict[str, int]) -> Answer:
        process = self._get(body["id"])
        if process.has_ended or not process.has_started:
            raise Refusal("Conflict", f"container {process.id} is not running")
        try:
            self._handed = open_socket(process.pidfd, body["family"])
        except OSError as error:
            raise _refusal(error) from error
        return {}, {"socket": self._handed}

    def on_answered(self) -> None:
        """The daemon has its own duplicate of what was made for it alone; ours would keep a container's network alive."""
        if self._handed >= 0:
            os.close(self._handed)
            self._handed = -1

    def _op_close_stdin(self, body: Body, _fds: dict[str, int]) -> None:
        process = self._custody.table.get(body["id"])
        if process is not None:
            process.close_fd("stdin")

    def _op_quit(self, _body: Body, _fds: dict[str, int]) -> Answer:
        return {"quits": not self._custody.table}, {}

    def _get(self, process_id: str) -> Supervised:
        process = self._custody.table.get(process_id)
        if process is None:
            raise Refusal("NotFound", f"no such process: {process_id}")
        return process

    def _refuse_known(self, process_id: str) -> None:
        if process_id in self._custody.table:
            raise Refusal("Conflict", f"process {process_id} exists already")

    def _release(self, process: Supervised, netlink: list[bytes]) -> None:
        process.is_starting = True
        go, process.go = process.go, -1
        try:
            launch.release(go, netlink)
        except OSError:
            return  # it has ended before: that is about to be noticed, and answered


def _facts(
    names: dict[str, str], *, pid: int, pidfd: int, log: LogSpec | None, cgroup: CgroupSpec | None, tty: bool = False
) -> Body:
    """All that the daemon and a successor need to know."""
    return {
        **names,
        "pid": pid,
        "identity": identify(pid, pidfd),
        "tty": tty,
        "started_at_ns": None,
        "log": log,
        "cgroup": cgroup,
        "flow_bytes": 0,
        "acknowledged": 0,
        "exit": None,
    }


def _supervised(
    names: dict[str, str], launched: Launched, process: ProcessSpec, *, log: LogSpec, cgroup: CgroupSpec | None
) -> Supervised:
    facts = _facts(names, pid=launched.pid, pidfd=launched.pidfd, log=log, cgroup=cgroup, tty=process["tty"])
    fds = {"pidfd": launched.pidfd, **launched.streams._asdict()}
    supervised = Supervised(facts, {name: fd for name, fd in fds.items() if fd >= 0})
    supervised.go, supervised.errors = launched.go, launched.errors
    return supervised


def _refusal(error: LaunchError | OSError) -> Refusal:
    if isinstance(error, LaunchError):
        return Refusal("Fault", error.message, error.exit_code)
    return Refusal("Fault", describe(error))


def _open_pidfd(container_id: str, pid: int, identity: str) -> int:
    """A descriptor of exactly that process."""
    with Descriptors() as opened:
        try:
            pidfd = opened.add(pidfds.pidfd_open(pid))
            is_it = identify(pid, pidfd) == identity
        except ProcessLookupError as error:
            raise Refusal("NotFound", f"the process of container {container_id} has ended") from error
        if not is_it:
            raise Refusal("NotFound", f"the process of container {container_id} has ended; another one has its number {pid} now")
        opened.let_go()
    return pidfd
