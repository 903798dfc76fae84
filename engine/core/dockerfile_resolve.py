"""Replacing variables in an instruction's words, where Docker does.

Commands of RUN, CMD, ENTRYPOINT and HEALTHCHECK are left to the shell, triggers to the child's build. Grammar: Dockerfile
reference, "Environment replacement".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, cast

from engine.core import dockerfile_instructions as model
from engine.core.build_words import expand, expand_text, expand_words
from engine.core.dockerfile_errors import DockerfileError, cut, quoted
from engine.core.dockerfile_instructions import Heredoc, Instruction
from engine.errors import InvalidParameter

MAX_EXPANDED = 256 * 1024  # characters that one instruction's words may become, heredocs apart
MAX_HEREDOC = 2 << 20

AnyInstruction = TypeVar("AnyInstruction", bound=Instruction)


class _Expander:
    """Expands word after word of one instruction, counting what they become together."""

    def __init__(self, variables: Mapping[str, str], escape: str) -> None:
        self._variables, self._escape = variables, escape
        self._room, self._heredoc_room = MAX_EXPANDED, MAX_HEREDOC

    def word(self, text: str) -> str:
        try:
            return self._count(expand(text, self._variables, escape=self._escape))
        except InvalidParameter as error:
            raise InvalidParameter(f"failed to process {quoted(text)}: {error.message}") from error

    def words(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.word(text) for text in texts)

    def split(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        found = (expand_words(text, self._variables, escape=self._escape) for text in texts)
        return tuple(self._count(word) for words in found for word in words)

    def _count(self, word: str) -> str:
        self._room -= len(word)
        if self._room < 0:
            raise InvalidParameter(f"the words become longer than {MAX_EXPANDED} characters: use shorter values")
        return word

    def pairs(self, pairs: model.Pairs) -> model.Pairs:
        return tuple((self.word(name), self.word(value)) for name, value in pairs)

    def heredoc(self, heredoc: Heredoc) -> Heredoc:
        if not heredoc.is_expanded:
            return heredoc
        content = expand_text(heredoc.content, self._variables, longest=self._heredoc_room)
        self._heredoc_room -= len(content)
        return replace(heredoc, content=content)


def resolve(instruction: AnyInstruction, variables: Mapping[str, str], *, escape: str = "\\") -> AnyInstruction:
    """Return the same instruction with its words as they are meant. Raises InvalidParameter with the line."""
    try:
        return cast(AnyInstruction, _expand(instruction, _Expander(variables, escape)))
    except InvalidParameter as error:
        raise DockerfileError(error.message, line=instruction.line, text=instruction.text) from error


def _expand(instruction: Instruction, expander: _Expander) -> Instruction:
    expanded = instruction
    match instruction:
        case model.From():
            expanded = _from(instruction, expander)
        case model.Run():
            expanded = replace(instruction, mounts=tuple(_mount(mount, expander) for mount in instruction.mounts))
        case model.Label() | model.Env():
            expanded = replace(instruction, pairs=_named(expander.pairs(instruction.pairs)))
        case model.Arg():
            expanded = _arg(instruction, expander)
        case model.Copy() | model.Add():
            expanded = _files(instruction, expander)
        case model.Expose():
            expanded = replace(instruction, ports=expander.split(instruction.ports))
        case model.Volume():
            expanded = replace(instruction, paths=_filled(expander.words(instruction.paths), "VOLUME"))
        case model.User():
            expanded = replace(instruction, user=expander.word(instruction.user))
        case model.Workdir():
            expanded = replace(instruction, path=expander.word(instruction.path))
        case model.Stopsignal():
            expanded = replace(instruction, signal=expander.word(instruction.signal))
    return expanded


def _from(start: model.From, expander: _Expander) -> model.From:
    image = expander.word(start.image)
    if not image.strip():
        raise InvalidParameter(f"base name ({cut(start.image)}) should not be blank: give its ARG before FROM a value")
    return replace(start, image=image, platform=expander.word(start.platform))


def _mount(mount: model.RunMount, expander: _Expander) -> model.RunMount:
    return replace(mount, source=expander.word(mount.source), target=expander.word(mount.target), id_=expander.word(mount.id_))


def _named(pairs: model.Pairs) -> model.Pairs:
    if not all(name for name, _ in pairs):
        raise InvalidParameter("names can not be blank: write name=value")
    if any("=" in name for name, _ in pairs):
        raise InvalidParameter("a name can not hold an equals sign: write name=value")
    return pairs


def _arg(arg: model.Arg, expander: _Expander) -> model.Arg:
    """A default may use the names before it in the same instruction only as far as they are known already: as Docker."""
    args = tuple((expander.word(name), None if default is None else expander.word(default)) for name, default in arg.args)
    if not all(name for name, _ in args):
        raise InvalidParameter("ARG names can not be blank")
    return replace(arg, args=args)


def _filled(words: tuple[str, ...], instruction: str) -> tuple[str, ...]:
    if not all(word.strip() for word in words):
        raise InvalidParameter(f"{instruction} specified can not be an empty string")
    return words


def _files(files: model.Copy | model.Add, expander: _Expander) -> model.Copy | model.Add:
    resolved = replace(
        files,
        sources=_filled(expander.words(files.sources), "a source"),
        destination=expander.word(files.destination),
        heredocs=tuple(expander.heredoc(heredoc) for heredoc in files.heredocs),
        chown=expander.word(files.chown),
        chmod=expander.word(files.chmod),
        excludes=expander.words(files.excludes),
    )
    if not resolved.destination:
        raise InvalidParameter("the destination can not be an empty string")
    if isinstance(resolved, model.Add):
        return replace(resolved, checksum=expander.word(resolved.checksum))
    return resolved
