"""Changes to an image's configuration, written as Dockerfile instructions (``import --change``, ``commit --change``).

Only the instructions that set configuration; building layers is not here. Grammar: Dockerfile reference.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from engine.core.durations import parse_duration
from engine.core.health import Healthcheck, check_healthcheck
from engine.core.image_config import ImageConfig
from engine.core.signals import parse_signal
from engine.errors import InvalidParameter

DEFAULT_SHELL = ("/bin/sh", "-c")

_OPTION = re.compile(r"--([a-z-]+)=(\S*)")
_SPANS = {
    "interval": "interval_ns",
    "timeout": "timeout_ns",
    "start-period": "start_period_ns",
    "start-interval": "start_interval_ns",
}
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """Return the configuration after all changes, in order. Each text may hold several lines.

    Raises InvalidParameter naming the instruction that is unknown or malformed.
    """
    for line in _logical_lines(changes):
        word, _, rest = line.partition(" ")
        instruction = _INSTRUCTIONS.get(word.upper())
        if instruction is None:
            raise InvalidParameter(f"{word!r} is not a valid change: use {', '.join(sorted(_INSTRUCTIONS))}")
        if not rest.strip():
            raise InvalidParameter(f"{word.upper()} requires an argument")
        config = instruction(config, rest.strip())
        if any(not _is_text(text) for text in _texts(config)):
            raise InvalidParameter(f"{word.upper()} holds a null byte or half a character: leave it out")
    return config


def _texts(config: ImageConfig) -> Iterator[str]:
    yield from (*config.env, *(config.cmd or ()), *(config.entrypoint or ()), *config.volumes)
    yield from (config.workdir, config.user, *config.labels, *config.labels.values())
    yield from config.healthcheck.test if config.healthcheck else ()


def _is_text(text: str) -> bool:
    """JSON can write what the kernel cannot be told, and what no file can hold."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _logical_lines(changes: Sequence[str]) -> Iterator[str]:
    for text in changes:
        joined = re.sub(r"\\[ \t]*\r?\n", "", text)
        for line in joined.splitlines():
            stripped = line.strip().replace("\t", " ")
            if stripped and not stripped.startswith("#"):
                yield stripped


def _command(config: ImageConfig, text: str) -> tuple[str, ...]:
    """Read the JSON form, else take the text for the image's shell."""
    items = _json_list(text)
    return (*(config.shell or DEFAULT_SHELL), text) if items is None else items


def _json_list(text: str) -> tuple[str, ...] | None:
    if not text.startswith("["):
        return None
    try:
        items = json.loads(text)
    except ValueError:
        return None
    return tuple(items) if isinstance(items, list) and all(isinstance(item, str) for item in items) else None


def _words(text: str, instruction: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidParameter(f"{instruction} {text!r} cannot be read: {error}".lower()) from error


def _pairs(text: str, instruction: str) -> dict[str, str]:
    """Read ``a=b c="d e"``, or the old form ``a b c`` that sets one name to the rest of the line."""
    first, _, rest = text.partition(" ")
    if "=" not in first:
        if not rest.strip():
            raise InvalidParameter(f"{instruction} {text!r} names no value: write {text}=value")
        return {first: rest.strip()}
    pairs = {}
    for word in _words(text, instruction):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidParameter(f"{instruction} {word!r} is not name=value")
        pairs[name] = value
    return pairs


def _cmd(config: ImageConfig, text: str) -> ImageConfig:
    return replace(config, cmd=_command(config, text))


def _entrypoint(config: ImageConfig, text: str) -> ImageConfig:
    return replace(config, entrypoint=_command(config, text))


def _env(config: ImageConfig, text: str) -> ImageConfig:
    values = dict(item.split("=", 1) for item in config.env)
    values.update(_pairs(text, "ENV"))
    return replace(config, env=tuple(f"{name}={value}" for name, value in values.items()))


def _label(config: ImageConfig, text: str) -> ImageConfig:
    return replace(config, labels={**config.labels, **_pairs(text, "LABEL")})


def _expose(config: ImageConfig, text: str) -> ImageConfig:
    ports = set(config.exposed_ports)
    for word in _words(text, "EXPOSE"):
        ports.update(_ports(word))
    return replace(config, exposed_ports=tuple(sorted(ports)))


def _ports(word: str) -> list[str]:
    match = _PORT.fullmatch(word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match is None or not 0 < first <= last <= 65535:
        raise InvalidParameter(f"EXPOSE {word!r} is not a port: write 80, 53/udp or 8000-8010/tcp")
    return [f"{port}/{(match[3] or 'tcp').lower()}" for port in range(first, last + 1)]


def _user(config: ImageConfig, text: str) -> ImageConfig:
    words = _words(text, "USER")
    if len(words) != 1:
        raise InvalidParameter(f"USER {text!r} is not one user: write name, uid, or either with :group")
    return replace(config, user=words[0])


def _workdir(config: ImageConfig, text: str) -> ImageConfig:
    # A leading double slash would survive normpath, which POSIX allows and nobody means here.
    path = posixpath.normpath(posixpath.join("/", config.workdir, text.strip("\"'")))
    return replace(config, workdir=f"/{path.lstrip('/')}")


def _volume(config: ImageConfig, text: str) -> ImageConfig:
    paths = _json_list(text)
    named = paths if paths is not None else _words(text, "VOLUME")
    return replace(config, volumes=tuple(sorted({*config.volumes, *named})))


def _stopsignal(config: ImageConfig, text: str) -> ImageConfig:
    parse_signal(text)
    return replace(config, stop_signal=text.upper())


def _healthcheck(config: ImageConfig, text: str) -> ImageConfig:
    """``[--interval=… --timeout=… --start-period=… --start-interval=… --retries=…] CMD …`` or ``NONE``."""
    options, rest = _options(text)
    word, _, command = rest.partition(" ")
    if word.upper() == "NONE" and not command.strip() and not options:
        return replace(config, healthcheck=Healthcheck(test=("NONE",)))
    if word.upper() != "CMD" or not command.strip():
        raise InvalidParameter(f"HEALTHCHECK {text!r} is not understood: write CMD with a command, or NONE")
    items = _json_list(command.strip())
    test = ("CMD-SHELL", command.strip()) if items is None else ("CMD", *items)
    check = Healthcheck(test=test, retries=_retries(options.pop("retries", "0")), **_spans(options))
    check_healthcheck(check)
    return replace(config, healthcheck=check)


def _options(text: str) -> tuple[dict[str, str], str]:
    options = {}
    while match := _OPTION.match(text):
        options[match[1]] = match[2]
        text = text[match.end() :].lstrip()
    return options, text


def _retries(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidParameter(f"HEALTHCHECK --retries={text} is not a number")
    return int(text)


def _spans(options: dict[str, str]) -> dict[str, int]:
    for name in options:
        if name not in _SPANS:
            raise InvalidParameter(f"HEALTHCHECK --{name} is unknown: use --retries, --{', --'.join(_SPANS)}")
    return {_SPANS[name]: parse_duration(value) for name, value in options.items()}


_INSTRUCTIONS: dict[str, Callable[[ImageConfig, str], ImageConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
