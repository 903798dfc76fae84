"""The text by which an image's history tells of an instruction, spelt as dockerd's classic builder does.

Lists are written as Go prints them. Clients show these texts; the cache must not rest on them alone where they are cut.
"""

from collections.abc import Sequence
from hashlib import sha256

from engine.core import dockerfile_instructions as model
from engine.core.dockerfile_apply import shell_command
from engine.core.dockerfile_instructions import Instruction
from engine.core.durations import format_duration
from engine.core.gotext import quote_rune, quote_text
from engine.core.health import DEFAULT_SHELL, Healthcheck
from engine.core.image_config import ImageConfig

MAX_TEXT = 8 * 1024  # each image of a build holds all texts before it


def created_by(instruction: Instruction, config: ImageConfig, *, build_args: Sequence[str] = (), content: str = "") -> str:
    """Return the history's text of a resolved instruction.

    ``config`` is the configuration after it; ``build_args`` are the ``name=value`` that a RUN was given beside it
    (``Variables.history_args``); ``content`` tells what COPY and ADD took (``file:…``, ``dir:…``, ``multi:…``).
    """
    if isinstance(instruction, model.Run):
        return _cut(_run(instruction, config, build_args))
    shell = " ".join(config.shell or DEFAULT_SHELL)
    if isinstance(instruction, model.Copy | model.Add):
        return _cut(f"{shell} #(nop) {_copied(instruction, content)}")
    if isinstance(instruction, model.Workdir):
        return _cut(f"{shell} #(nop) WORKDIR {config.workdir}")
    return _cut(f"{shell} #(nop)  {_comment(instruction, config)}")


def _cut(text: str) -> str:
    """A text that is cut still differs from all others."""
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}… (sha256:{sha256(text.encode()).hexdigest()})"


def _run(instruction: model.Run, config: ImageConfig, build_args: Sequence[str]) -> str:
    arguments = [f"|{len(build_args)}", *build_args] if build_args else []
    return " ".join([*arguments, *shell_command(instruction.command, config)])


def _copied(instruction: model.Copy | model.Add, content: str) -> str:
    word = "COPY" if isinstance(instruction, model.Copy) else "ADD"
    chown = f"--chown={instruction.chown} " if instruction.chown else ""
    return f"{word} {chown}{content} in {instruction.destination} "


def _comment(instruction: Instruction, config: ImageConfig) -> str:
    text = instruction.text
    match instruction:
        case model.Cmd():
            text = f"CMD {_quoted(config.cmd)}"
        case model.Entrypoint():
            text = f"ENTRYPOINT {_quoted(config.entrypoint)}"
        case model.Env(pairs=pairs):
            text = f"ENV {_joined(pairs)}"
        case model.Label(pairs=pairs):
            text = f"LABEL {_joined(pairs)}"
        case model.Expose(ports=ports):
            text = f"EXPOSE {' '.join(ports)}"
        case model.Volume(paths=paths):
            text = f"VOLUME [{' '.join(paths)}]"
        case model.Arg(args=args):
            text = "ARG " + " ".join(name if default is None else f"{name}={default}" for name, default in args)
        case model.Shell(args=words):
            text = f"SHELL [{' '.join(words)}]"
        case model.Healthcheck():
            text = f"HEALTHCHECK {_health(config.healthcheck or Healthcheck())}"
        case _:
            text = _plain(instruction)
    return text


def _plain(instruction: Instruction) -> str:
    match instruction:
        case model.User(user=user):
            return f"USER {user}"
        case model.Onbuild(trigger=trigger):
            return f"ONBUILD {trigger}"
        case model.Stopsignal(signal=signal):
            return f"STOPSIGNAL {signal}"
        case model.Maintainer(name=name):
            return f"MAINTAINER {name}"
        case _:
            return instruction.text


def _joined(pairs: model.Pairs) -> str:
    return " ".join(f"{name}={value}" for name, value in pairs)


def _quoted(words: Sequence[str] | None) -> str:
    return f"[{' '.join(quote_text(word) for word in words or ())}]"


def _health(check: Healthcheck) -> str:
    spans = (check.interval_ns, check.timeout_ns, check.start_period_ns, check.start_interval_ns)
    spelt = " ".join(f'"{format_duration(span_ns)}"' for span_ns in spans)
    return f"&{{{_quoted(check.test)} {spelt} {quote_rune(check.retries)}}}"
