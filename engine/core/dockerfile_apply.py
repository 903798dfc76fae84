"""What an instruction changes in an image's configuration. Instructions are resolved; ``changes`` (``--change``) uses the same.

Pure. RUN, COPY, ADD, ARG and FROM change no configuration. Grammar: Dockerfile reference.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from engine.core import dockerfile_instructions as model
from engine.core.dockerfile_errors import DockerfileError, cut
from engine.core.dockerfile_instructions import Command, ExecForm, Instruction, ShellForm
from engine.core.dockerfile_lines import without_markers
from engine.core.health import DEFAULT_SHELL, Healthcheck, check_healthcheck
from engine.core.image_config import ImageConfig
from engine.core.port_ranges import Range, merge_ranges, ports_of
from engine.core.signals import parse_signal
from engine.errors import InvalidParameter

MAX_CONFIG = 1 << 20  # characters; each step of a build writes them anew

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE | re.ASCII)
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]")


def apply_instruction(config: ImageConfig, instruction: Instruction, *, is_cmd_set: bool = False) -> ImageConfig:
    """Return the configuration after a resolved instruction.

    ``is_cmd_set``: a CMD stood before it in the same stage; else ENTRYPOINT forgets the command of the base image.
    Raises InvalidParameter with the line for values that cannot be.
    """
    try:
        applied = _apply(config, instruction)
        if isinstance(instruction, model.Entrypoint) and not is_cmd_set:
            applied = replace(applied, cmd=None)
        if applied is not config:
            _check_size(applied)
    except InvalidParameter as error:
        raise DockerfileError(error.message, line=instruction.line, text=instruction.text) from error
    return applied


def shell_command(command: Command, config: ImageConfig) -> tuple[str, ...]:
    """Return the words to execute: a list as it is, a text behind the image's shell, heredocs put in."""
    if isinstance(command, ExecForm):
        return command.args
    return (*(config.shell or DEFAULT_SHELL), run_script(command))


def run_script(form: ShellForm, escape: str = "\\") -> str:
    """Return what the shell is to run: a lone heredoc is the script itself, others follow the text as shells want them."""
    if _is_lone(form, escape):
        return form.heredocs[0].content
    return form.text + "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in form.heredocs)


def has_shebang(command: Command, escape: str = "\\") -> bool:
    """Whether a command is a lone heredoc that names its interpreter: to be written to a file and executed."""
    return isinstance(command, ShellForm) and _is_lone(command, escape) and command.heredocs[0].content.startswith("#!")


def _is_lone(form: ShellForm, escape: str) -> bool:
    return len(form.heredocs) == 1 and not without_markers(form.text, escape)


def _apply(config: ImageConfig, instruction: Instruction) -> ImageConfig:
    applied = config
    match instruction:
        case model.Cmd(command=command):
            applied = replace(config, cmd=shell_command(command, config))
        case model.Entrypoint(command=command):
            applied = replace(config, entrypoint=shell_command(command, config))
        case model.Env(pairs=pairs):
            applied = replace(config, env=_env(config.env, pairs))
        case model.Label(pairs=pairs):
            applied = replace(config, labels={**config.labels, **dict(pairs)})
        case model.Expose(ports=words):
            exposed = {f"{number}/{protocol}" for number, protocol in ports_of(merge_ranges(map(_ports, words)))}
            applied = replace(config, exposed_ports=tuple(sorted(exposed.union(config.exposed_ports))))
        case model.Volume(paths=paths):
            applied = replace(config, volumes=tuple(sorted({*config.volumes, *paths})))
        case model.Onbuild(trigger=trigger):
            applied = replace(config, onbuild=(*config.onbuild, trigger))
        case model.Shell(args=args):
            applied = replace(config, shell=args)
        case model.Maintainer(name=name):
            applied = replace(config, author=name)
        case model.User() | model.Workdir() | model.Stopsignal() | model.Healthcheck():
            applied = _apply_process(config, instruction)
    return applied


def _apply_process(
    config: ImageConfig, instruction: model.User | model.Workdir | model.Stopsignal | model.Healthcheck
) -> ImageConfig:
    match instruction:
        case model.User(user=user):
            return replace(config, user=_one_user(user))
        case model.Workdir(path=path):
            return replace(config, workdir=join_workdir(config.workdir, path))
        case model.Stopsignal(signal=signal):
            parse_signal(signal)
            return replace(config, stop_signal=signal.strip().upper())
        case model.Healthcheck():
            return replace(config, healthcheck=_healthcheck(instruction))


def _check_size(config: ImageConfig) -> None:
    if sum(map(len, _texts(config))) > MAX_CONFIG:
        raise InvalidParameter(f"the image's configuration becomes longer than {MAX_CONFIG} characters")


def _texts(config: ImageConfig) -> Iterator[str]:
    yield from (*config.env, *(config.cmd or ()), *(config.entrypoint or ()), *(config.shell or ()), *config.volumes)
    yield from (*config.onbuild, config.workdir, config.user, config.author, *config.labels, *config.labels.values())
    yield from config.healthcheck.test if config.healthcheck else ()


def _env(env: tuple[str, ...], pairs: model.Pairs) -> tuple[str, ...]:
    values = {name: value for name, _, value in (item.partition("=") for item in env)}
    values.update(pairs)
    return tuple(f"{name}={value}" for name, value in values.items())


def _ports(word: str) -> Range:
    match = _PORT.fullmatch(word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match is None or not 0 < first <= last <= 65535:
        raise InvalidParameter(f"EXPOSE {cut(word)!r} is not a port: write 80, 53/udp or 8000-8010/tcp")
    return (match[3] or "tcp").lower(), first, last


def _one_user(user: str) -> str:
    if not user.strip():
        raise InvalidParameter("USER names nobody: write name, uid, or either with :group")
    if len(user.split()) != 1:
        raise InvalidParameter(f"USER {cut(user)!r} is not one user: write name, uid, or either with :group")
    return user


def join_workdir(workdir: str, path: str) -> str:
    """Return an absolute path for what WORKDIR says."""
    if not path.strip():
        raise InvalidParameter("WORKDIR can not be an empty string")
    if _WINDOWS_PATH.match(path):
        raise InvalidParameter(f"WORKDIR {cut(path)!r} is a path of Windows: write /srv/app")
    # A leading double slash would survive normpath, which POSIX allows and nobody means here.
    joined = posixpath.normpath(posixpath.join("/", workdir, path))
    return f"/{joined.lstrip('/')}"


def _healthcheck(instruction: model.Healthcheck) -> Healthcheck:
    command = instruction.command
    if command is None:
        return Healthcheck(test=("NONE",))
    test = ("CMD", *command.args) if isinstance(command, ExecForm) else ("CMD-SHELL", command.text)
    check = Healthcheck(
        test=test,
        interval_ns=instruction.interval_ns,
        timeout_ns=instruction.timeout_ns,
        start_period_ns=instruction.start_period_ns,
        start_interval_ns=instruction.start_interval_ns,
        retries=instruction.retries,
    )
    check_healthcheck(check)
    return check
