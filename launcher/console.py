"""What the person at the terminal reads: plain lines, and one line for a refusal."""

import sys


class LauncherError(Exception):
    """Something the person can put right; shown as one line, exit code 1."""


def say(line: str) -> None:
    """Print at once, also into a pipe, since the lines tell what the launcher is waiting for."""
    print(line, flush=True)


def complain(line: str) -> None:
    print(f"atelier: {line}", file=sys.stderr, flush=True)
