"""What somebody probably meant who wrote something else: guesses beside an error or a step. Pure; nothing hangs on them."""

import difflib
import re
from collections.abc import Iterable
from itertools import islice

from engine.core.dockerfile_errors import cut
from engine.core.dockerfile_instructions import Cmd, Entrypoint, Instruction, Run, ShellForm

# First words of lines that belong into a RUN.
_PROGRAMS = frozenset(
    (
        *("apk", "apt", "apt-get", "bash", "bundle", "bun", "cargo", "cat", "cd", "chmod", "chown", "cmake", "composer", "conda"),
        *("cp", "curl", "dnf", "echo", "export", "find", "gem", "gcc", "git", "go", "gradle", "groupadd", "gunzip", "java"),
        *("javac", "ln", "ls", "make", "mkdir", "mv", "mvn", "node", "npm", "npx", "php", "pip", "pip3", "pipenv", "pnpm"),
        *("poetry", "python", "python3", "rm", "ruby", "sed", "service", "set", "sh", "source", "sudo", "systemctl", "tar"),
        *("touch", "unzip", "useradd", "adduser", "uv", "wget", "which", "yarn", "yum"),
    )
)
_JOINS = ("&&", "||", "|")
_MOST_COMPARED, _LONGEST_NAME, _LONGEST_COMMAND = 2000, 255, 4096

# A test of the shell begins with "[" too, but has a blank behind it, and no comma behind a word in quotes.
_QUOTE = "['\"\u2018\u2019\u201c\u201d]"
_ALMOST_LIST = re.compile(rf"\[(?:{_QUOTE}|\s+{_QUOTE}[^,]*{_QUOTE}\s*,)")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Guess which instruction an unknown word, in capitals, was to be; empty where nothing is near."""
    if word.lower() in _PROGRAMS:
        return f" (a command for the shell needs RUN before it: RUN {word.lower()} …)"
    return near(word, known, least=0.6)


def near(word: str, known: Iterable[str], *, least: float) -> str:
    """Name the word of ``known`` that ``word`` may have been meant for; ``least``: how alike they are to be, 1 is the same."""
    nearest = difflib.get_close_matches(word[:_LONGEST_NAME], list(islice(known, _MOST_COMPARED)), n=1, cutoff=least)
    return f" (did you mean {cut(nearest[0], _LONGEST_NAME)}?)" if nearest else ""


def lost_escape(line_before: str, escape: str) -> str:
    """Say so where a line that is no instruction looks like the rest of the one before it."""
    return f": the line before goes on, so end it with {escape}" if line_before.rstrip().endswith(_JOINS) else ""


def almost_list(instruction: Instruction) -> str:
    """Return a warning for a command that was meant as a list but is none, and so goes to a shell as it stands; else nothing."""
    if not isinstance(instruction, Run | Cmd | Entrypoint) or not isinstance(instruction.command, ShellForm):
        return ""
    text = instruction.command.text.strip()
    if len(text) > _LONGEST_COMMAND or not text.endswith("]") or _ALMOST_LIST.match(text) is None:
        return ""
    word = type(instruction).__name__.upper()
    return f'[Warning] this is no list in JSON, so a shell gets it as it stands: write {word} ["program", "argument"]\n'
