"""The record of an exec: a further process in a running container. Pure data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """What to run and how. ``is_detached`` and the size are known only when it is started."""

    cmd: tuple[str, ...]
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach_keys: str = ""
    is_detached: bool = False
    rows: int = 0
    columns: int = 0
    privileged: bool = False
    is_probe: bool = False  # the engine's own, for a health check


@dataclass(frozen=True, slots=True)
class ExecRun:
    """``exit_code`` is None before the end, and after it when nobody saw it."""

    is_started: bool = False
    is_running: bool = False
    pid: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class ExecRecord:
    """One exec; it belongs to whoever its container belongs to."""

    exec_id: str
    container_id: str
    config: ExecConfig
    run: ExecRun = field(default_factory=ExecRun)
