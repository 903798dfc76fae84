"""Guesses at what was meant: they are made where they help, and not where a line means what it says."""

from itertools import count

import pytest

from engine.core.dockerfile import parse_dockerfile
from engine.core.dockerfile_hints import almost_list, near
from engine.errors import InvalidParameter


@pytest.mark.parametrize(
    "line",
    [
        "CMD ['npm', 'start']",
        "ENTRYPOINT ['/start.sh']",
        'CMD ["npm", "start",]',
        "CMD [“npm”, “start”]",
        "CMD [ 'npm', 'start' ]",
        'RUN ["make" "all"]',
    ],
)
def test_a_list_that_is_none_is_warned_of(line: str) -> None:
    word = line.split(maxsplit=1)[0]
    (instruction,) = parse_dockerfile(f"FROM a\n{line}").stages[0].instructions
    assert f'write {word} ["program", "argument"]' in almost_list(instruction)


@pytest.mark.parametrize(
    "line",
    ['CMD ["npm", "start"]', "CMD npm start", 'RUN [ "$A" = "b" ]', "RUN [ -f /x ]", "RUN [[ a == b ]]", "COPY ['a', 'b']"],
)
def test_what_is_a_list_or_a_command_is_not(line: str) -> None:
    (instruction,) = parse_dockerfile(f"FROM a\n{line}").stages[0].instructions
    assert almost_list(instruction) == ""


@pytest.mark.parametrize("before", ["RUN make &&", "RUN make \\\n && ls ||", "RUN ls |  "])
def test_a_line_behind_one_that_goes_on_is_taken_for_its_rest(before: str) -> None:
    for word in ("FOO", "ECHO"):
        with pytest.raises(InvalidParameter, match=rf"unknown instruction: {word}: the line before goes on, so end it with \\"):
            parse_dockerfile(f"FROM a\n{before}\n  {word} x")
    with pytest.raises(InvalidParameter, match=r"WORKDIR requires exactly one argument\n"):
        parse_dockerfile(f"FROM a\n{before}\nWORKDIR")


def test_a_guess_is_made_among_so_many_and_shows_one_printable_line() -> None:
    assert near("x" * 10_000, (f"{number}.py" for number in count()), least=0.75) == ""
    assert near("requirments.txt", ["other", "requirements.txt"], least=0.75) == " (did you mean requirements.txt?)"
    assert near("a.tx", ["a\n\udcff.tx"], least=0.6).isprintable()
    assert near("main.py", ["setup.cfg"], least=0.75) == ""
