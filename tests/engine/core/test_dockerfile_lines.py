"""Lines of a Dockerfile: directives, comments, continuation lines, line ends, and work that stays linear in the file's size."""

import sys
from types import FrameType

import pytest

from engine.core.dockerfile import parse_dockerfile
from engine.core.dockerfile_errors import DockerfileError
from engine.core.dockerfile_instructions import Run, ShellForm
from engine.core.dockerfile_lines import MAX_FILE_BYTES, MAX_HEREDOCS
from engine.errors import InvalidParameter


def commands(text: str | bytes) -> list[str]:
    """Return the texts of all RUN instructions."""
    stages = parse_dockerfile(text).stages
    runs = [instruction for stage in stages for instruction in stage.instructions if isinstance(instruction, Run)]
    return [run.command.text for run in runs if isinstance(run.command, ShellForm)]


@pytest.mark.parametrize(
    ("top", "escape", "syntax", "check"),
    [
        ("", "\\", "", ""),
        (
            "# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all;error=true\n",
            "`",
            "docker/dockerfile:1",
            "skip=all;error=true",
        ),
        ("#escape = `  \n", "`", "", ""),
        ("# ESCAPE=`\n", "`", "", ""),
        ("# a comment\n# escape=`\n", "\\", "", ""),
        ("\n# escape=`\n", "\\", "", ""),
        ("# unknown=x\n# escape=`\n", "\\", "", ""),
        ("# syntax\n# escape=`\n", "\\", "", ""),
        ("\ufeff# escape=`\r\n", "`", "", ""),
        ("ARG x\n# escape=`\n", "\\", "", ""),
    ],
)
def test_directives_count_at_the_very_top_only(top: str, escape: str, syntax: str, check: str) -> None:
    dockerfile = parse_dockerfile(f"{top}FROM a\n")
    assert (dockerfile.escape, dockerfile.syntax, dockerfile.check) == (escape, syntax, check)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN a \\\n  b\n", ["a   b"]),
        ("RUN a\\\nb\n", ["ab"]),
        ("RUN a \\  \t\n b\n", ["a  b"]),
        ("RUN a \\\n# comment\n  # another\n b\n", ["a  b"]),
        ("RUN a \\\n\n  \n b\n", ["a  b"]),
        ("RUN a \\\n# comment \\\n b\nRUN c", ["a  b", "c"]),
        ("RUN a \\", ["a"]),
        ("RUN a \\\n", ["a"]),
        ("RUN a \\\\\nRUN b", ["a \\\\", "b"]),
        ("  \t run a  \t\n", ["a"]),
        ("RUN \\\n a", ["a"]),
        ("R\\\nUN a", ["a"]),
        ("RUN a # no comment", ["a # no comment"]),
        ("# comment \\\nRUN a", ["a"]),
        ("RUN a\r\nRUN b \\\r\n c\r\n", ["a", "b  c"]),
        ("RUN a\vb", ["a\vb"]),
        ("RUN a\u00a0b\u2028c", ["a\u00a0b\u2028c"]),
    ],
)
def test_lines_are_joined_as(text: str, expected: list[str]) -> None:
    assert commands(f"FROM x\n{text}") == expected


def test_a_backtick_joins_lines_where_it_is_the_escape() -> None:
    assert commands("# escape=`\nFROM x\nRUN a `\n b\nRUN c:\\\nRUN d") == ["a  b", "c:\\", "d"]


def test_first_and_last_line_and_the_text_in_one_line_are_told() -> None:
    text = "FROM x\n\nrun  a \\\n # comment\n\n  && b <<EOF\nc\nEOF\nUSER d"
    first, second = parse_dockerfile(text).stages[0].instructions
    assert (first.line, first.end_line, first.text) == (3, 8, "run  a   && b <<EOF")
    assert (second.line, second.end_line, second.text) == (9, 9, "USER d")


def test_a_heredoc_keeps_the_line_ends_of_the_file() -> None:
    (run,) = parse_dockerfile("FROM x\r\nRUN <<EOF\r\na\r\n\r\nEOF\r\n").stages[0].instructions
    assert isinstance(run, Run)
    assert isinstance(run.command, ShellForm)
    assert run.command.heredocs[0].content == "a\r\n\r\n"


def test_heredocs_of_one_line_are_bounded() -> None:
    markers = " ".join(f"<<E{number}" for number in range(MAX_HEREDOCS + 1))
    bodies = "".join(f"E{number}\n" for number in range(MAX_HEREDOCS + 1))
    with pytest.raises(DockerfileError, match="heredocs in one instruction"):
        parse_dockerfile(f"FROM x\nRUN {markers}\n{bodies}")


PATHOLOGICAL = [
    "\\\n",
    "a \\\n",
    "# x\\\n",
    "RUN \\\n\n",
    "RUN <<A <<B\n",
    "RUN x <<",
    "RUN " + "<<E " * 50,
    "ENV a='",
    "ENV a=\\",
    "ENV a=b ",
    "LABEL ",
    "COPY [",
    'CMD ["',
    'CMD ["a",',
    "CMD " + "[" * 1000,
    "COPY --chown=",
    "COPY --",
    "RUN --mount=type=bind,target=/x,",
    'RUN --mount="",',
    "HEALTHCHECK --interval=1h",
    "ONBUILD ",
    "FROM a AS b ",
    "# escape=`",
    "\t \t",
    "\r",
    '"',
    "$" + "{a:-" * 10,
]


@pytest.mark.parametrize("joined", ["", "\n"], ids=["one line", "lines"])
@pytest.mark.parametrize("piece", PATHOLOGICAL)
def test_a_megabyte_of_anything_takes_steps_in_proportion(piece: str, joined: str) -> None:
    """Lines of this program that run are counted, not time: a file of twice the size may take little more than twice as many."""
    small, large = (_steps("FROM x\n" + (piece + joined) * (size // len(piece + joined))) for size in (1 << 14, 1 << 15))
    assert large < 2.5 * small + 20_000


@pytest.mark.parametrize("start", ["", "RUN ", "ENV a=", "COPY ", "CMD [", "RUN --mount=", "LABEL a ", "FROM ", "# "])
@pytest.mark.parametrize("filler", ["a", " ", "\\", "'", "<<E ", "[", "--x ", "= ", "$", ",", "\t", "\\\n"])
def test_a_whole_megabyte_is_read_or_refused(start: str, filler: str) -> None:
    text = f"FROM x\n{start}"
    text += filler * ((MAX_FILE_BYTES - len(text)) // len(filler))
    try:
        assert parse_dockerfile(text).stages
    except InvalidParameter as error:
        assert len(error.message) < 1000


def _steps(text: str) -> int:
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]  # a local trace function is one that returns itself
    try:
        parse_dockerfile(text)
    except InvalidParameter:
        pass
    finally:
        sys.settrace(before)
    return count
