"""The named steps of a launch: what an error message tells, and where a test can make a launch fail.

``failing`` is set once, by the supervisor's main from ATELIER_FAIL_STEP; the seam of the tests that make each fail in turn.
"""

import errno
import json
import os

CREATE_STEPS = ("userns", "rootfs", "binds", "cgroups", "streams", "clone", "maps", "netns")
CHILD_STEPS = (
    "join",
    "filesystems",
    "pivot",
    "attach",
    "network",
    "sysctls",
    "masks",
    "session",
    "user",
    "directory",
    "rlimits",
    "capabilities",
    "seccomp",
    "exec",
)
STEPS = CREATE_STEPS + CHILD_STEPS

# There a file of an error is the host's, of which a tenant is told the last name only.
_ON_HOST = (*CREATE_STEPS, "join")
_ERROR_PIPE_BYTES = 4096  # written in one piece


class LaunchError(Exception):
    """A launch failed at ``step``; all it had made is undone. ``exit_code`` as in a shell when the command is to blame."""

    def __init__(self, message: str, *, step: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.exit_code = exit_code


class _Progress:
    current = ""
    failing = ""


progress = _Progress()


def reach(step: str) -> None:
    """Begin a step. Raises OSError when the tests want it to fail."""
    progress.current = step
    if step == progress.failing:
        raise OSError(errno.EIO, "made to fail by ATELIER_FAIL_STEP", step)


def as_launch_error(error: Exception) -> LaunchError:
    """Whatever went wrong, with the step where it did."""
    if isinstance(error, LaunchError):
        return error
    return LaunchError(f"{progress.current}: {describe(error)}", step=progress.current)


def describe(error: Exception) -> str:
    """An error in the words of a message: lower case, the object named."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    reason = error.strerror[:1].lower() + error.strerror[1:]
    if error.filename is None:
        return reason
    return f"{os.path.basename(error.filename) if progress.current in _ON_HOST else error.filename}: {reason}"


def report(errors_fd: int, error: Exception) -> LaunchError:
    """Write the failure to the parent's pipe as one JSON object and answer it."""
    failure = as_launch_error(error)
    text = {"message": failure.message[: _ERROR_PIPE_BYTES // 8], "exit_code": failure.exit_code, "step": failure.step}
    os.write(errors_fd, json.dumps(text).encode())
    return failure
