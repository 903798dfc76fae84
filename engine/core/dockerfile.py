"""Reading a Dockerfile: from text to stages of instructions. Replaces no variables and decides nothing about images.

Grammar: Dockerfile reference. What cannot be read is InvalidParameter, with the line's number and the line.
"""

from collections.abc import Iterator
from dataclasses import replace

from engine.core.dockerfile_arguments import check_text
from engine.core.dockerfile_errors import DockerfileError, cut
from engine.core.dockerfile_hints import lost_escape
from engine.core.dockerfile_instructions import Arg, Dockerfile, From, Instruction, Maintainer, Onbuild, Stage
from engine.core.dockerfile_lines import (
    MAX_FILE_BYTES,
    MAX_INSTRUCTIONS,
    LogicalLine,
    decode_file,
    read_directives,
    read_lines,
    split_lines,
    split_word,
)
from engine.core.dockerfile_readers import READERS, read_instruction
from engine.errors import InvalidParameter

_NO_STAGE = "no build stage in current context: the first instruction must be FROM, only ARG may stand before it"


def parse_dockerfile(text: str | bytes, *, name: str = "Dockerfile") -> Dockerfile:
    """Read a whole file; ``name`` is how messages call it. Raises InvalidParameter, for a line's fault with the line."""
    decoded = decode_file(text, name)
    directives = read_directives(split_lines(decoded))
    instructions = list(parse_instructions(decoded, escape=directives.escape))
    if not instructions:
        raise InvalidParameter(f"file with no instructions: the Dockerfile ({cut(name)}) has comments only")
    first = next((index for index, instruction in enumerate(instructions) if not isinstance(instruction, Arg)), None)
    if first is None or not isinstance(instructions[first], From):
        guilty = instructions[-1 if first is None else first]
        raise DockerfileError(_NO_STAGE, line=guilty.line, text=guilty.text)
    args = tuple(instruction for instruction in instructions[:first] if isinstance(instruction, Arg))
    return Dockerfile(args, _stages(instructions[first:]), directives.escape, directives.syntax, directives.check)


def parse_instructions(text: str, *, escape: str = "\\") -> Iterator[Instruction]:
    """Read instructions one after the other, whatever their order. Raises InvalidParameter."""
    raw, before = text.split("\n"), ""
    for number, line in enumerate(read_lines(split_lines(text), raw, escape)):
        if number == MAX_INSTRUCTIONS:
            raise DockerfileError(f"more than {MAX_INSTRUCTIONS} instructions", line=line.start, text=line.text)
        yield _read(line, escape, before)
        before = line.text


def parse_trigger(trigger: str, *, escape: str = "\\") -> Instruction:
    """Read an ONBUILD trigger of an image's configuration; raises InvalidParameter for none or several instructions."""
    if len(trigger) > MAX_FILE_BYTES:
        raise InvalidParameter(f"an ONBUILD trigger is longer than {MAX_FILE_BYTES} characters")
    check_text(trigger)
    instructions = list(parse_instructions(trigger, escape=escape))
    if len(instructions) != 1:
        raise DockerfileError("an ONBUILD trigger must be one instruction", line=1, text=trigger)
    if isinstance(instructions[0], From | Maintainer | Onbuild):
        raise DockerfileError("this instruction isn't allowed as an ONBUILD trigger", line=1, text=trigger)
    return instructions[0]


def _read(line: LogicalLine, escape: str, before: str) -> Instruction:
    try:
        instruction = read_instruction(line.text, line.heredocs, escape)
    except InvalidParameter as error:
        reason = error.message
        if split_word(line.text)[0].upper() not in READERS and (hint := lost_escape(before, escape)):
            reason = f"{reason.partition(' (')[0]}{hint}"
        raise DockerfileError(reason, line=line.start, text=line.text) from error
    return replace(instruction, line=line.start, end_line=line.end, text=line.text)


def _stages(instructions: list[Instruction]) -> tuple[Stage, ...]:
    starts = [index for index, instruction in enumerate(instructions) if isinstance(instruction, From)]
    stages: list[Stage] = []
    names: dict[str, int] = {}
    for index, end in zip(starts, [*starts[1:], len(instructions)], strict=True):
        stages.append(_stage(len(stages), instructions[index], tuple(instructions[index + 1 : end])))
        _claim_name(stages[-1], names)
    return tuple(stages)


def _stage(index: int, start: Instruction, instructions: tuple[Instruction, ...]) -> Stage:
    if not isinstance(start, From):
        raise TypeError("a stage begins with FROM")
    return Stage(index, start.name, start.image, start.platform, instructions, start.line, start)


def _claim_name(stage: Stage, names: dict[str, int]) -> None:
    if not stage.name:
        return
    if stage.name in names:
        reason = f"{stage.name} stage name already used on line {names[stage.name]}: give each stage a name of its own"
        raise DockerfileError(reason, line=stage.line, text=stage.start.text)
    names[stage.name] = stage.line
