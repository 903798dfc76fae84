"""The instructions of a Dockerfile as data: one frozen class each, with the line it stands on and its flags as typed fields.

A parsed instruction holds its words as they are written, with quotes and variables; ``dockerfile_resolve.resolve`` gives the same
class with the words as they are meant. Nothing is read or decided here. Grammar: Dockerfile reference.
"""

from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A text written between ``<<name`` and a line that is ``name``; tabs are cut off already where ``<<-`` asks for it."""

    name: str
    content: str
    is_expanded: bool = True


@dataclass(frozen=True, slots=True)
class ShellForm:
    """A command for the image's shell. ``text`` has the heredocs' markers, as the shell is to see them."""

    text: str
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecForm:
    """A command as the list of its words; may be empty for CMD and ENTRYPOINT."""

    args: tuple[str, ...]


Command = ShellForm | ExecForm


@dataclass(frozen=True, slots=True)
class RunMount:
    """One ``RUN --mount``. ``kind`` is bind, cache, tmpfs, secret or ssh; empty texts and None mean: not said."""

    kind: str = "bind"
    source: str = ""
    target: str = ""
    from_: str = ""
    id_: str = ""
    env: str = ""
    sharing: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size_bytes: int | None = None
    is_readonly: bool | None = None
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What all have: first and last line (from 1), and the instruction as one logical line, without its heredocs' content."""

    line: int = 0
    end_line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    """``image`` is ``scratch``, a reference, or an earlier stage's name; ``name`` is the stage's own, lower case, or empty."""

    image: str
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    """``network`` is default, none, host or empty; ``security`` sandbox, insecure or empty."""

    command: Command
    mounts: tuple[RunMount, ...] = ()
    network: str = ""
    security: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    """Default command of the image."""

    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    """Program of the image."""

    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    """Names and values in order."""

    pairs: Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    """Names and values in order."""

    pairs: Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    """Words like ``80``, ``53/udp``, ``8000-8010/tcp``, sorted."""

    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Instruction):
    """``from_`` is a stage's name or number, an image, or empty for the context; heredocs are sources beside ``sources``."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Instruction):
    """``checksum`` is ``sha256:…`` or empty; ``unpack`` None: archives of the context are unpacked, those of URLs are not."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    checksum: str = ""
    link: bool = False
    keep_git_dir: bool = False
    unpack: bool | None = None
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    """Paths of anonymous volumes."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    """``name[:group]``, by names or numbers."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    """As written: may be relative to the one before."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """Names with their defaults; None: no default."""

    args: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Onbuild(Instruction):
    """``trigger`` is an instruction's text, read when a child is built (``dockerfile.parse_trigger``)."""

    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopsignal(Instruction):
    """Name or number."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """``command`` None: NONE. Spans are nanoseconds; 0 means the default."""

    command: Command | None
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    """The shell of all shell forms that follow."""

    args: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    """The image's author; deprecated."""

    name: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM with what follows it. ``base`` and ``platform`` are as written; ``instructions`` come after the FROM."""

    index: int
    name: str
    base: str
    platform: str
    instructions: tuple[Instruction, ...]
    line: int
    start: From


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """``args`` stand before the first FROM; ``escape`` is a backslash or a backtick; ``syntax`` and ``check`` are told only."""

    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    escape: str = "\\"
    syntax: str = ""
    check: str = ""
