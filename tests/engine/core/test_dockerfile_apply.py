"""What instructions change in a configuration, and what history tells of them: as dockerd 20.10 was seen to write it."""

from dataclasses import replace
from typing import Any

import pytest

from engine.core.build_words import MAX_WORD
from engine.core.dockerfile import parse_dockerfile
from engine.core.dockerfile_apply import apply_instruction, has_shebang, shell_command
from engine.core.dockerfile_errors import DockerfileError
from engine.core.dockerfile_history import MAX_TEXT, created_by
from engine.core.dockerfile_instructions import Arg, Cmd, Run
from engine.core.dockerfile_resolve import resolve
from engine.core.dockerfile_scope import Variables
from engine.core.health import Healthcheck
from engine.core.image_config import ImageConfig, format_image_config, parse_image_config
from engine.errors import InvalidParameter

BASE = ImageConfig(architecture="amd64", env=("PATH=/bin",), cmd=("sh",))
BUILD_ARGS = {"other": "o t", "HTTP_PROXY": "p"}


def build(text: str, config: ImageConfig = BASE) -> tuple[ImageConfig, list[str]]:
    """Apply one stage's instructions as an executor would; return the configuration and the history's texts."""
    variables = Variables.of_file(BUILD_ARGS, {}).stage()
    texts, is_cmd_set = [], False
    for written in parse_dockerfile(f"FROM x\n{text}").stages[0].instructions:
        instruction = resolve(written, variables.values(config.env))
        variables = variables.declare(instruction) if isinstance(instruction, Arg) else variables
        config = apply_instruction(config, instruction, is_cmd_set=is_cmd_set)
        is_cmd_set = is_cmd_set or isinstance(instruction, Cmd)
        args = variables.history_args(config.env) if isinstance(instruction, Run) else ()
        texts.append(created_by(instruction, config, build_args=args, content="file:1f"))
    return config, texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ENV A=1 B=\"x y\" C='$A' D=$A\\ z", {"env": ("PATH=/bin", "A=1", "B=x y", "C=$A", "D= z")}),
        ("ENV A=1\nENV B=$A A=2\nENV C=$A$B", {"env": ("PATH=/bin", "A=2", "B=1", "C=21")}),
        ('ENV OLD form  "of" it', {"env": ("PATH=/bin", "OLD=form  of it")}),
        ("ENV PATH=/x:$PATH", {"env": ("PATH=/x:/bin",)}),
        (
            'LABEL one=1 "long name"="of $PATH" e=\\$A f="a\\nb"',
            {"labels": {"one": "1", "long name": "of /bin", "e": "$A", "f": "a\\nb"}},
        ),
        (
            "EXPOSE 80 53/UDP 8000-8002 ${X:-90}",
            {"exposed_ports": ("53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp", "90/tcp")},
        ),
        ('ENV P="1 2"\nEXPOSE $P', {"env": ("PATH=/bin", "P=1 2"), "exposed_ports": ("1/tcp", "2/tcp")}),
        ("WORKDIR /srv\nWORKDIR lab/../x$PATH", {"workdir": "/srv/x/bin"}),
        ("WORKDIR lab", {"workdir": "/lab"}),
        ("WORKDIR //x/./y/", {"workdir": "/x/y"}),
        ("USER ada:${G:-staff}", {"user": "ada:staff"}),
        ('VOLUME /b $PATH/x\nVOLUME ["/b c"]', {"volumes": ("/b", "/b c", "/bin/x")}),
        ("STOPSIGNAL ${S:-sigquit}", {"stop_signal": "SIGQUIT"}),
        ('SHELL ["/bin/sh", "-ec"]\nCMD a  $b', {"shell": ("/bin/sh", "-ec"), "cmd": ("/bin/sh", "-ec", "a  $b")}),
        ("CMD $a", {"cmd": ("/bin/sh", "-c", "$a")}),
        ("ENTRYPOINT a", {"entrypoint": ("/bin/sh", "-c", "a"), "cmd": None}),
        ('CMD ["x"]\nENTRYPOINT ["a"]', {"entrypoint": ("a",), "cmd": ("x",)}),
        ("HEALTHCHECK --interval=1s CMD a b", {"healthcheck": Healthcheck(("CMD-SHELL", "a b"), interval_ns=10**9)}),
        ('HEALTHCHECK CMD ["a", "b"]', {"healthcheck": Healthcheck(("CMD", "a", "b"))}),
        ("HEALTHCHECK NONE", {"healthcheck": Healthcheck(("NONE",))}),
        ("ONBUILD RUN $x\nONBUILD COPY . /x", {"onbuild": ("RUN $x", "COPY . /x")}),
        ("MAINTAINER Ada $PATH", {"author": "Ada $PATH"}),
        ("RUN a\nCOPY a b\nADD a b\nARG x=y", {}),
    ],
)
def test_an_instruction_sets_its_part_of_the_configuration(text: str, expected: dict[str, Any]) -> None:
    assert build(text)[0] == replace(BASE, **expected)


HISTORY = [
    ("ENV A=1 B=\"x y\" C='$A' D=$A\\ z", "/bin/sh -c #(nop)  ENV A=1 B=x y C=$A D= z"),
    ('ENV OLD form  "of" $A it', "/bin/sh -c #(nop)  ENV OLD=form  of 1 it"),
    ('LABEL one=1 "long name"="of $A" e=\\$A f="a\\nb"', "/bin/sh -c #(nop)  LABEL one=1 long name=of 1 e=$A f=a\\nb"),
    ("MAINTAINER Ada <ada@example.org>", "/bin/sh -c #(nop)  MAINTAINER Ada <ada@example.org>"),
    ("EXPOSE 80 53/udp 8000-8002 ${X:-90}", "/bin/sh -c #(nop)  EXPOSE 90 53/udp 80 8000-8002"),
    ("WORKDIR /srv", "/bin/sh -c #(nop) WORKDIR /srv"),
    ("WORKDIR lab/$A", "/bin/sh -c #(nop) WORKDIR /srv/lab/1"),
    ("USER ada:${G:-staff}", "/bin/sh -c #(nop)  USER ada:staff"),
    ("VOLUME /data $A/x", "/bin/sh -c #(nop)  VOLUME [/data 1/x]"),
    ('VOLUME ["/db","/b c"]', "/bin/sh -c #(nop)  VOLUME [/db /b c]"),
    ("STOPSIGNAL SIGQUIT", "/bin/sh -c #(nop)  STOPSIGNAL SIGQUIT"),
    ('SHELL ["/bin/sh", "-ec"]', "/bin/sh -ec #(nop)  SHELL [/bin/sh -ec]"),
    (
        'HEALTHCHECK --interval=5m --timeout=3s --retries=3 CMD echo "a b"',
        '/bin/sh -ec #(nop)  HEALTHCHECK &{["CMD-SHELL" "echo \\"a b\\""] "5m0s" "3s" "0s" "0s" \'\\x03\'}',
    ),
    ("HEALTHCHECK NONE", '/bin/sh -ec #(nop)  HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'\\x00\'}'),
    ('ONBUILD RUN echo  hi "x"', '/bin/sh -ec #(nop)  ONBUILD RUN echo  hi "x"'),
    ("onbuild copy . /x", "/bin/sh -ec #(nop)  ONBUILD copy . /x"),
    ("RUN true", "/bin/sh -ec true"),
    ("ARG arg=val", "/bin/sh -ec #(nop)  ARG arg=val"),
    ("ARG other", "/bin/sh -ec #(nop)  ARG other"),
    ('ARG last="q $A"', "/bin/sh -ec #(nop)  ARG last=q 1"),
    ("RUN echo $arg  >/f", "|3 arg=val last=q 1 other=o t /bin/sh -ec echo $arg  >/f"),
    ('RUN ["/bin/sh", "-c", "echo é"]', "|3 arg=val last=q 1 other=o t /bin/sh -c echo é"),
    ("COPY a.txt b.txt   ./", "/bin/sh -ec #(nop) COPY file:1f in ./ "),
    ("COPY --chown=1:2 a.txt /x/", "/bin/sh -ec #(nop) COPY --chown=1:2 file:1f in /x/ "),
    ("ADD a.txt $A.txt", "/bin/sh -ec #(nop) ADD file:1f in 1.txt "),
    (
        'ENTRYPOINT ["/bin/sh", "-c", "x\\t\\"y\\"\\\\ é\\u0001\\u00a0"]',
        '/bin/sh -ec #(nop)  ENTRYPOINT ["/bin/sh" "-c" "x\\t\\"y\\"\\\\ é\\x01\\u00a0"]',
    ),
    ('CMD echo $A "b"   c', '/bin/sh -ec #(nop)  CMD ["/bin/sh" "-ec" "echo $A \\"b\\"   c"]'),
    ('CMD ["x"]', '/bin/sh -ec #(nop)  CMD ["x"]'),
    ("CMD []", "/bin/sh -ec #(nop)  CMD []"),
    ("CMD [not json", '/bin/sh -ec #(nop)  CMD ["/bin/sh" "-ec" "[not json"]'),
    ("ENTRYPOINT exec top", '/bin/sh -ec #(nop)  ENTRYPOINT ["/bin/sh" "-ec" "exec top"]'),
]


def test_history_is_told_as_dockerd_does() -> None:
    assert build("\n".join(written for written, _ in HISTORY))[1] == [told for _, told in HISTORY]


def test_a_long_text_of_history_is_cut_but_differs() -> None:
    first, second = (created_by(Run(command=Cmd(command=_shell(end)).command), BASE) for end in ("a", "b"))
    assert first != second
    assert first[:MAX_TEXT] == second[:MAX_TEXT]
    assert len(first) < MAX_TEXT + 100


def _shell(end: str) -> Any:
    instruction = parse_dockerfile(f"FROM x\nRUN {'x' * 2 * MAX_TEXT}{end}").stages[0].instructions[0]
    assert isinstance(instruction, Run)
    return instruction.command


@pytest.mark.parametrize(
    ("written", "argv", "is_script"),
    [
        ("RUN a", ("/bin/sh", "-c", "a"), False),
        ('RUN ["a", "b"]', ("a", "b"), False),
        ("RUN <<EOF\na\nb\nEOF", ("/bin/sh", "-c", "a\nb\n"), False),
        ("RUN <<-'EOF'\n\ta\n\tEOF", ("/bin/sh", "-c", "a\n"), False),
        ("RUN << EOF\n#!/usr/bin/env python3\nEOF", ("/bin/sh", "-c", "#!/usr/bin/env python3\n"), True),
        ("RUN cat <<A - <<B\n1\nA\n2\nB", ("/bin/sh", "-c", "cat <<A - <<B\n1\nA\n2\nB"), False),
        ("RUN cat <<A\n#!x\nA", ("/bin/sh", "-c", "cat <<A\n#!x\nA"), False),
    ],
)
def test_a_command_is_handed_to_the_shell_as(written: str, argv: tuple[str, ...], is_script: bool) -> None:
    instruction = parse_dockerfile(f"FROM x\n{written}").stages[0].instructions[0]
    assert isinstance(instruction, Run)
    assert (shell_command(instruction.command, BASE), has_shebang(instruction.command)) == (argv, is_script)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ENV A=${x:?needed}", 'failed to process "\\${x:\\?needed}": x: needed'),
        ("ENV A=${x:z}", "unsupported modifier"),
        ("ENV A='x", "matching single-quote"),
        ("ENV $x=1", "names can not be blank"),
        ("LABEL a $PATH'", "matching single-quote"),
        ("EXPOSE web", "'web' is not a port"),
        ("EXPOSE 8000-7000", "is not a port"),
        ("EXPOSE ٣", "is not a port"),
        ("USER $x", "names nobody"),
        ("USER a b", "is not one user"),
        ("WORKDIR $x", "WORKDIR can not be an empty string"),
        ("WORKDIR C:\\\\x", "path of Windows"),
        ("VOLUME $x", "VOLUME specified can not be an empty string"),
        ("STOPSIGNAL now", "invalid signal"),
        ("COPY $x /a", "can not be an empty string"),
        ("COPY a $x", "the destination can not be an empty string"),
        ("ARG $x=1", "ARG names can not be blank"),
        (f"ENV A={'a' * (MAX_WORD + 1)}", "longer than"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        build(line)
    assert caught.value.message.startswith("dockerfile parse error on line 2: ")
    assert "\n   2 | " in caught.value.message


def test_values_that_double_with_each_line_come_to_an_end() -> None:
    with pytest.raises(InvalidParameter, match="longer than"):
        build("ENV A=aaaaaaaa\n" + "ENV A=$A$A\n" * 40)
    with pytest.raises(InvalidParameter, match="longer than"):
        build(f"ENV A={'a' * 100_000}\n" + "".join(f"LABEL l{number}=$A\n" for number in range(40)))
    with pytest.raises(InvalidParameter, match="longer than"):
        build(f"ENV A={'a' * 100_000}\nCOPY <<EOF /x\n{'$A' * 100}\nEOF")


def test_triggers_are_kept_in_the_images_document() -> None:
    config, _ = build("ONBUILD RUN a")
    assert parse_image_config(format_image_config(config)) == config
