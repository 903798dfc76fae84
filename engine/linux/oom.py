"""How eagerly the kernel picks the calling process when memory runs out (proc_pid_oom_score_adj(5))."""

import contextlib


def set_oom_score_adj(value: int) -> None:
    """Set the adjustment, -1000 to 1000. Without CAP_SYS_RESOURCE a value below the present one stays as it is."""
    with contextlib.suppress(PermissionError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(value))
