"""Changes to an image's configuration, written as Dockerfile instructions (``import --change``, ``commit --change``).

Only the instructions that set configuration; building layers is not here. The grammar is that of a Dockerfile.
"""

from collections.abc import Sequence

from engine.core.dockerfile_apply import apply_instruction
from engine.core.dockerfile_arguments import check_text
from engine.core.dockerfile_errors import DockerfileError, cut
from engine.core.dockerfile_instructions import Cmd, Instruction
from engine.core.dockerfile_lines import MAX_FILE_BYTES, MAX_INSTRUCTIONS, LogicalLine, read_lines, split_lines, split_word
from engine.core.dockerfile_readers import read_instruction
from engine.core.dockerfile_resolve import resolve
from engine.core.image_config import ImageConfig
from engine.errors import InvalidParameter

ALLOWED = (
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)
_ESCAPE = "\\"


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """Return the configuration after all changes, in order. Each text may hold several lines.

    Raises InvalidParameter naming the instruction that is unknown or malformed.
    """
    is_cmd_set = False
    for line in _lines(changes):
        try:
            instruction = _read(line)
            resolved = resolve(instruction, _environment(config), escape=_ESCAPE)
            config = apply_instruction(config, resolved, is_cmd_set=is_cmd_set)
        except DockerfileError as error:
            raise InvalidParameter(f"{cut(line.text)!r} cannot be read: {error.reason}") from error
        is_cmd_set = is_cmd_set or isinstance(instruction, Cmd)
    return config


def _lines(changes: Sequence[str]) -> list[LogicalLine]:
    if sum(map(len, changes)) > MAX_FILE_BYTES:
        raise InvalidParameter(f"the changes are longer than {MAX_FILE_BYTES} characters: shorten them")
    lines = [line for text in changes for line in read_lines(split_lines(text), text.split("\n"), _ESCAPE)]
    if len(lines) > MAX_INSTRUCTIONS:
        raise InvalidParameter(f"more than {MAX_INSTRUCTIONS} changes")
    return lines


def _read(line: LogicalLine) -> Instruction:
    word, rest = split_word(line.text)
    if word.upper() not in ALLOWED:
        raise InvalidParameter(f"{cut(word)!r} is not a valid change: use {', '.join(ALLOWED)}")
    if not rest:
        raise InvalidParameter(f"{word.upper()} requires an argument")
    check_text(line.text)
    try:
        return read_instruction(line.text, line.heredocs, _ESCAPE)
    except InvalidParameter as error:
        raise DockerfileError(error.message, line=line.start, text=line.text) from error


def _environment(config: ImageConfig) -> dict[str, str]:
    return {name: value for name, _, value in (item.partition("=") for item in config.env)}
