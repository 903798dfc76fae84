"""How eagerly the kernel picks a process when memory runs out (proc_pid_oom_score_adj(5))."""

import contextlib

from engine.linux.capabilities import raised


def set_oom_score_adj(value: int, *, pid: int = 0) -> None:
    """Set the adjustment, -1000 to 1000, of a process, by default the caller; without CAP_SYS_RESOURCE none below the present.

    A caller with that right also sets how low the process may go by itself later, which its children inherit.
    """
    with (
        raised("CAP_SYS_RESOURCE"),
        contextlib.suppress(PermissionError),
        open(f"/proc/{pid or 'self'}/oom_score_adj", "w") as file,
    ):
        file.write(str(value))
