"""One reader for each instruction: from its words as written to its class. Variables are not replaced here.

Grammar: Dockerfile reference. Raises InvalidParameter without a line; ``dockerfile`` adds it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.core import dockerfile_instructions as model
from engine.core.dockerfile_arguments import command, defaults, json_list, pairs
from engine.core.dockerfile_errors import cut, quoted
from engine.core.dockerfile_flags import Flags, parse_run_mount, split_flags
from engine.core.dockerfile_hints import suggestion
from engine.core.dockerfile_instructions import Heredoc, Instruction
from engine.core.dockerfile_lines import split_blanks, split_word, without_markers
from engine.core.durations import parse_duration
from engine.core.health import LEAST_NS
from engine.errors import InvalidParameter

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,127}")
_NETWORKS = ("", "default", "none", "host")
_SECURITY = ("", "sandbox", "insecure")
_NO_TRIGGERS = ("FROM", "MAINTAINER", "ONBUILD")


@dataclass(frozen=True, slots=True)
class Statement:
    """An instruction taken apart: its word in capitals, its flags, the rest without them."""

    word: str
    flags: Flags
    rest: str
    heredocs: tuple[Heredoc, ...]
    escape: str


def read_instruction(text: str, heredocs: tuple[Heredoc, ...], escape: str) -> Instruction:
    """Read one logical line; raises InvalidParameter saying what is wrong with it."""
    word, rest = split_word(text)
    reader = READERS.get(word.upper())
    if reader is None:
        raise InvalidParameter(f"unknown instruction: {cut(word.upper())}{suggestion(word.upper(), READERS)}")
    flag_words, rest = split_flags(rest, escape)
    flags = Flags(flag_words, _FLAGS.get(word.upper(), ()), several=("mount", "exclude"))
    statement = Statement(word.upper(), flags, rest, heredocs, escape)
    if not rest:
        how_many = "exactly one argument" if statement.word in _EXACTLY_ONE else "at least one argument"
        raise InvalidParameter(f"{statement.word} requires {how_many}")
    return reader(statement)


def _from(statement: Statement) -> Instruction:
    flags = statement.flags
    words = split_blanks(statement.rest)
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise InvalidParameter("FROM requires either one or three arguments: write FROM image or FROM image AS name")
    name = words[2].lower() if len(words) == 3 else ""
    if name and not _STAGE_NAME.fullmatch(name):
        raise InvalidParameter(f"invalid name for build stage: {quoted(name)}, name can't start with a number or contain symbols")
    return model.From(image=words[0], name=name, platform=flags.text("platform"))


def _run(statement: Statement) -> Instruction:
    flags = statement.flags
    network, security = flags.text("network"), flags.text("security")
    if network not in _NETWORKS:
        raise InvalidParameter(f"unsupported network mode {quoted(network)}: use default, none or host")
    if security not in _SECURITY:
        raise InvalidParameter(f"unsupported security mode {quoted(security)}: use sandbox or insecure")
    mounts = tuple(parse_run_mount(text) for text in flags.texts("mount"))
    run = command(statement.rest, statement.heredocs)
    if run == model.ExecForm(()):
        raise InvalidParameter("RUN requires at least one argument: the list names no program")
    return model.Run(command=run, mounts=mounts, network=network, security=security)


def _cmd(statement: Statement) -> Instruction:
    return model.Cmd(command=command(statement.rest))


def _entrypoint(statement: Statement) -> Instruction:
    return model.Entrypoint(command=command(statement.rest))


def _label(statement: Statement) -> Instruction:
    return model.Label(pairs=pairs(statement.rest, "LABEL", statement.escape))


def _env(statement: Statement) -> Instruction:
    return model.Env(pairs=pairs(statement.rest, "ENV", statement.escape))


def _expose(statement: Statement) -> Instruction:
    return model.Expose(ports=tuple(sorted(split_blanks(statement.rest))))


def _copy(statement: Statement) -> Instruction:
    flags = statement.flags
    if "$" in flags.text("from"):
        raise InvalidParameter("variables are not expanded in --from: name a stage FROM ${…} AS name before, and use its name")
    sources, destination = _sources(statement)
    return model.Copy(
        sources=sources,
        destination=destination,
        heredocs=statement.heredocs,
        from_=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.truth("link") or False,
        parents=flags.truth("parents") or False,
        excludes=flags.texts("exclude"),
    )


def _add(statement: Statement) -> Instruction:
    flags = statement.flags
    sources, destination = _sources(statement)
    return model.Add(
        sources=sources,
        destination=destination,
        heredocs=statement.heredocs,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        checksum=flags.text("checksum"),
        link=flags.truth("link") or False,
        keep_git_dir=flags.truth("keep-git-dir") or False,
        unpack=flags.truth("unpack"),
        excludes=flags.texts("exclude"),
    )


def _sources(statement: Statement) -> tuple[tuple[str, ...], str]:
    """Return the sources and the destination, which is the last word."""
    listed = None if statement.heredocs else json_list(statement.rest)
    if listed is not None:
        words = list(listed)
    elif statement.heredocs:
        words = without_markers(statement.rest, statement.escape)
    else:
        words = split_blanks(statement.rest)
    if len(words) + len(statement.heredocs) < 2 or not words:
        raise InvalidParameter(
            f"{statement.word} requires at least two arguments, but only one was provided. Destination could not be determined"
        )
    return tuple(words[:-1]), words[-1]


def _volume(statement: Statement) -> Instruction:
    listed = json_list(statement.rest)
    paths = tuple(split_blanks(statement.rest)) if listed is None else listed
    if not paths or not all(path.strip() for path in paths):
        raise InvalidParameter("VOLUME specified can not be an empty string")
    return model.Volume(paths=paths)


def _user(statement: Statement) -> Instruction:
    return model.User(user=statement.rest)


def _workdir(statement: Statement) -> Instruction:
    return model.Workdir(path=statement.rest)


def _arg(statement: Statement) -> Instruction:
    return model.Arg(args=defaults(statement.rest, statement.escape))


def _onbuild(statement: Statement) -> Instruction:
    word = split_word(statement.rest)[0].upper()
    if word == "ONBUILD":
        raise InvalidParameter("chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in _NO_TRIGGERS:
        raise InvalidParameter(f"{word} isn't allowed as an ONBUILD trigger")
    read_instruction(statement.rest, statement.heredocs, statement.escape)
    contents = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in statement.heredocs)
    return model.Onbuild(trigger=statement.rest + contents)


def _stopsignal(statement: Statement) -> Instruction:
    return model.Stopsignal(signal=statement.rest)


def _healthcheck(statement: Statement) -> Instruction:
    """``[--interval=… --timeout=… --start-period=… --start-interval=… --retries=…] CMD …`` or ``NONE``."""
    flags = statement.flags
    kind, text = split_word(statement.rest)
    if kind.upper() == "NONE":
        if text or flags:
            raise InvalidParameter("HEALTHCHECK NONE takes no arguments")
        return model.Healthcheck(command=None)
    if kind.upper() != "CMD":
        raise InvalidParameter(
            f"unknown type {quoted(kind)} in HEALTHCHECK (try CMD): it is not understood, write CMD with a command, or NONE"
        )
    if not text:
        raise InvalidParameter("missing command after HEALTHCHECK CMD: it is not understood, write CMD with a command, or NONE")
    run = command(text)
    if isinstance(run, model.ExecForm) and not "".join(run.args[:1]):
        raise InvalidParameter("missing command after HEALTHCHECK CMD: the list names no program")
    return model.Healthcheck(
        command=run,
        interval_ns=_span("interval", flags),
        timeout_ns=_span("timeout", flags),
        start_period_ns=_span("start-period", flags),
        start_interval_ns=_span("start-interval", flags),
        retries=_retries(flags.text("retries")),
    )


def _span(name: str, flags: Flags) -> int:
    text = flags.text(name)
    span_ns = parse_duration(text) if text else 0
    if 0 < span_ns < LEAST_NS:
        raise InvalidParameter(f'HEALTHCHECK --{name} {quoted(text)} cannot be less than "1ms"')
    return span_ns


def _retries(text: str) -> int:
    if text and re.fullmatch(r"[0-9]{1,9}", text) is None:
        raise InvalidParameter(f"HEALTHCHECK --retries={cut(text)} is not a number")
    return int(text or "0")


def _shell(statement: Statement) -> Instruction:
    listed = json_list(statement.rest)
    if listed is None:
        raise InvalidParameter('SHELL requires the arguments to be in JSON form: write ["/bin/bash", "-c"]')
    if not "".join(listed[:1]):
        raise InvalidParameter("SHELL requires at least one argument: the list names no program")
    return model.Shell(args=listed)


def _maintainer(statement: Statement) -> Instruction:
    return model.Maintainer(name=statement.rest)


_EXACTLY_ONE = ("USER", "WORKDIR", "STOPSIGNAL", "MAINTAINER")
_FLAGS: dict[str, tuple[str, ...]] = {
    "FROM": ("platform",),
    "RUN": ("mount", "network", "security"),
    "COPY": ("from", "chown", "chmod", "link", "parents", "exclude"),
    "ADD": ("chown", "chmod", "link", "checksum", "keep-git-dir", "unpack", "exclude"),
    "HEALTHCHECK": ("interval", "timeout", "start-period", "start-interval", "retries"),
}
READERS: dict[str, Callable[[Statement], Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
