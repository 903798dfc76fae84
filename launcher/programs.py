"""Runs a program to its end and keeps its output for the case that it fails."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.console import LauncherError

LINES_SHOWN = 25


def last_lines(text: str, count: int = LINES_SHOWN) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines()[-count:])


def run_program(
    argv: Sequence[str], *, purpose: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Return standard output. Raises LauncherError with the last lines of both streams."""
    merged = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(argv, cwd=folder, env=merged, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LauncherError(f"{purpose}: cannot run {argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        output = last_lines(done.stdout + done.stderr)
        raise LauncherError(f"{purpose} failed: {' '.join(argv[:4])} ended with {done.returncode}\n{output}")
    return done.stdout
