"""Dockerfiles that were written from known instructions, in many spellings, and texts that nobody meant to be Dockerfiles."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import dockerfile_instructions as model
from engine.core.changes import apply_changes
from engine.core.dockerfile import parse_dockerfile
from engine.core.dockerfile_apply import apply_instruction
from engine.core.dockerfile_errors import DockerfileError
from engine.core.dockerfile_history import created_by
from engine.core.dockerfile_instructions import ExecForm, Heredoc, Instruction, ShellForm
from engine.core.dockerfile_resolve import resolve
from engine.core.dockerfile_stages import count_steps, needed_stages
from engine.core.image_config import ImageConfig
from engine.errors import InvalidParameter

BASE = ImageConfig(architecture="amd64")

# An instruction, and what its line says after flags and word.
Written = tuple[Instruction, str]
NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9_]{0,5}", re.ASCII), fullmatch=True)
PLAIN = st.text("abcAB01./é-", min_size=1, max_size=6).filter(lambda text: not text.startswith("-"))
TEXTS = st.text("ab $'\"\\é,=[]{}\t#", max_size=8)
SHELLS = st.lists(PLAIN, min_size=1, max_size=3).map(" ".join)
LISTS = st.lists(TEXTS, min_size=1, max_size=3).filter(lambda items: bool(items[0])).map(tuple)


def _quote(text: str, style: str) -> str:
    """Spell a word of ENV and the like so that it means the text."""
    if style == "single" and "'" not in text and "\\" not in text:
        return f"'{text}'"
    # A blank at the end of a line is cut off, escaped or not.
    if style == "double" or text.endswith((" ", "\t")):
        return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'
    return re.sub(r"([^A-Za-z0-9é])", r"\\\1", text) or '""'


QUOTED = st.tuples(TEXTS, st.sampled_from(["single", "double", "bare"])).map(lambda pair: (pair[0], _quote(*pair)))


def _json(items: tuple[str, ...], is_ascii: bool) -> str:
    return json.dumps(items, ensure_ascii=is_ascii)


COMMANDS: st.SearchStrategy[tuple[model.Command, str]] = st.one_of(
    SHELLS.map(lambda text: (ShellForm(text), text)),
    st.tuples(LISTS, st.booleans()).map(lambda pair: (ExecForm(pair[0]), _json(*pair))),
)


def _pairs(kind: type[model.Env] | type[model.Label]) -> st.SearchStrategy[Written]:
    def build(items: list[tuple[str, tuple[str, str]]]) -> Written:
        instruction = kind(pairs=tuple((name, meant) for name, (meant, _) in items))
        return instruction, f"{kind.__name__.upper()} " + " ".join(f"{name}={spelt}" for name, (_, spelt) in items)

    return st.lists(st.tuples(NAMES, QUOTED), min_size=1, max_size=3).map(build)


def _args(items: list[tuple[str, tuple[str, str] | None]]) -> Written:
    instruction = model.Arg(args=tuple((name, default and default[0]) for name, default in items))
    return instruction, "ARG " + " ".join(name if default is None else f"{name}={default[1]}" for name, default in items)


def _copy(parts: tuple[list[str], str, str, str, bool, bool]) -> Written:
    sources, destination, from_, chown, link, is_json = parts
    flags = [f"--from={from_}"] * bool(from_) + [f"--chown={chown}"] * bool(chown) + ["--link"] * link
    words = [*sources, destination]
    spelt = json.dumps(words) if is_json else " ".join(words)
    instruction = model.Copy(sources=tuple(sources), destination=destination, from_=from_, chown=chown, link=link)
    return instruction, " ".join(["COPY", *flags, spelt])


def _heredoc(parts: tuple[str, list[str], bool, bool]) -> Written:
    name, lines, is_quoted, cuts_tabs = parts
    content = "".join(f"{line}\n" for line in lines)
    body = "".join(f"{chr(9) * cuts_tabs}{line}\n" for line in lines)
    marker = f"<<{'-' * cuts_tabs}" + (f"'{name}'" if is_quoted else name)
    heredoc = Heredoc(name, content, not is_quoted)
    return model.Run(command=ShellForm(f"cat {marker}", (heredoc,))), f"RUN cat {marker}\n{body}{chr(9) * cuts_tabs}{name}"


def _of(word: str, make: Callable[[model.Command], Instruction]) -> st.SearchStrategy[Written]:
    return COMMANDS.map(lambda pair: (make(pair[0]), f"{word} {pair[1]}"))


LINES = st.text("abé $#'\"\\", max_size=6).filter(lambda line: line != "")
INSTRUCTIONS: st.SearchStrategy[Written] = st.one_of(
    _of("RUN", lambda command: model.Run(command=command)),
    _of("CMD", lambda command: model.Cmd(command=command)),
    _of("ENTRYPOINT", lambda command: model.Entrypoint(command=command)),
    _of("HEALTHCHECK --retries=3 CMD", lambda command: model.Healthcheck(command=command, retries=3)),
    _pairs(model.Env),
    _pairs(model.Label),
    st.lists(st.tuples(NAMES, st.none() | QUOTED), min_size=1, max_size=3).map(_args),
    st.tuples(
        st.lists(PLAIN, min_size=1, max_size=3), PLAIN, st.just("") | NAMES, st.just("") | NAMES, st.booleans(), st.booleans()
    ).map(_copy),
    st.tuples(NAMES.map(str.upper), st.lists(LINES, max_size=3), st.booleans(), st.booleans()).map(_heredoc),
    QUOTED.filter(lambda pair: bool(pair[0].strip())).map(lambda pair: (model.Workdir(path=pair[0]), f"WORKDIR {pair[1]}")),
    PLAIN.map(lambda text: (model.User(user=text), f"USER {text}")),
    st.lists(PLAIN, min_size=1, max_size=3).map(lambda paths: (model.Volume(paths=tuple(paths)), f"VOLUME {json.dumps(paths)}")),
    st.sets(st.integers(1, 65535).map(str), min_size=1).map(
        lambda ports: (model.Expose(ports=tuple(sorted(ports))), f"EXPOSE {' '.join(ports)}")
    ),
    LISTS.map(lambda items: (model.Shell(args=items), f"SHELL {json.dumps(items)}")),
    SHELLS.map(lambda text: (model.Onbuild(trigger=f"RUN {text}"), f"ONBUILD RUN {text}")),
)
NOISE = st.lists(st.sampled_from(["", "# comment \\", "   ", "\t# RUN x"]), max_size=2)


def _spell(text: str, case: str, indent: str, end: str) -> str:
    """Change what does not matter: case of the word, blanks around it."""
    word, rest = text.split(" ", maxsplit=1)
    head, *body = rest.split("\n")
    return "\n".join([f"{indent}{getattr(word, case)()}{' ' * (1 + len(indent))}{head}{end}", *body])


@settings(max_examples=150, deadline=None)
@given(
    written=st.lists(
        st.tuples(INSTRUCTIONS, st.sampled_from(["upper", "lower", "title"]), st.sampled_from(["", "  ", "\t"]), NOISE),
        max_size=5,
    ),
    is_dos=st.booleans(),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_what_was_written_is_read_again(written: list[tuple[Written, str, str, list[str]]], is_dos: bool, mark: str) -> None:
    lines = ["FROM scratch"]
    for (_, text), case, indent, noise in written:
        lines += [*noise, _spell(text, case, indent, " " * len(indent) if not text.endswith("\\") else "")]
    is_dos = is_dos and not any("<<" in text for (_, text), *_ in written)
    text = mark + ("\r\n" if is_dos else "\n").join(lines)
    found = [resolve(instruction, {}) for instruction in parse_dockerfile(text).stages[0].instructions]
    bare = [replace(instruction, line=0, end_line=0, text="") for instruction in found]
    assert bare == [instruction for (instruction, _), *_ in written]


@settings(max_examples=150, deadline=None)
@given(INSTRUCTIONS.filter(lambda pair: "\n" not in pair[1]), st.data())
def test_a_line_may_go_on_at_any_blank(written: Written, data: st.DataObject) -> None:
    expected, text = written
    # A backslash before the blank would escape the one that joins the lines, and a sign of a comment would begin one.
    blanks = [
        index
        for index in range(1, len(text))
        if text[index] == " " and text[index - 1] != "\\" and text[index + 1 :].strip()[:1] not in ("#", "")
    ]
    cut = data.draw(st.sampled_from(blanks))
    between = data.draw(st.sampled_from(["\\\n", "\\  \n", "\\\n# comment\n", "\\\n\n", "\\\n  # RUN x \\\n"]))
    (found,) = parse_dockerfile(f"FROM x\n{text[:cut]} {between}{text[cut + 1 :]}").stages[0].instructions
    assert replace(resolve(found, {}), line=0, end_line=0, text="") == expected


VOCABULARY = (
    "FROM RUN COPY ADD ENV ARG CMD LABEL EXPOSE VOLUME USER WORKDIR ONBUILD SHELL STOPSIGNAL HEALTHCHECK MAINTAINER ENTRYPOINT"
    " AS a b NONE --from= --mount=type= --x <<EOF <<-'E' EOF E ${a:-b} ${ a=b 80 \0 \ud800 é / .. \\ \" ' $ [ ] { } , = : # - @ `"
)
LINE_ENDS = ["\n", "\n", "\n", "\\\n", "\r\n", " ", " ", " ", "\t"]
TOKENS = st.sampled_from([*VOCABULARY.split(), *LINE_ENDS, '["a"]', '["a", 1]', "# escape=`\n", "# syntax=x\n"])
FILES = st.one_of(
    st.text(max_size=60),
    st.lists(TOKENS, max_size=30).map("".join),
    st.lists(TOKENS, max_size=30).map(" ".join).map(lambda text: f"FROM a\n{text}"),
    st.binary(max_size=40),
)


@settings(max_examples=500, deadline=None)
@given(FILES)
def test_any_text_is_read_or_refused_with_its_line(text: str | bytes) -> None:
    config = BASE
    try:
        dockerfile = parse_dockerfile(text)
        needed = needed_stages(dockerfile)
        assert count_steps(dockerfile, needed) >= 1
        for instruction in dockerfile.stages[-1].instructions:
            resolved = resolve(instruction, {"a": "x y"}, escape=dockerfile.escape)
            config = apply_instruction(config, resolved)
            assert created_by(resolved, config)
    except DockerfileError as error:
        assert 1 <= error.line <= (text.count("\n") if isinstance(text, str) else text.count(b"\n")) + 1
        assert error.message.startswith(f"dockerfile parse error on line {error.line}: ")
    except InvalidParameter as error:
        assert re.search(r"cannot be empty|no instructions", error.message)


@settings(max_examples=200, deadline=None)
@given(st.lists(TOKENS, max_size=20).map("".join))
def test_any_change_is_applied_or_refused(text: str) -> None:
    try:
        apply_changes(BASE, [text])
    except InvalidParameter as error:
        assert error.message
