"""Reading Dockerfiles: each instruction with its flags, in its spellings, and what is said of those that cannot be read."""

from dataclasses import replace

import pytest

from engine.core.dockerfile import parse_dockerfile, parse_trigger
from engine.core.dockerfile_errors import DockerfileError
from engine.core.dockerfile_instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    ExecForm,
    Expose,
    From,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    RunMount,
    Shell,
    ShellForm,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from engine.core.dockerfile_lines import MAX_FILE_BYTES, MAX_INSTRUCTIONS
from engine.core.durations import NS_PER_SECOND
from engine.errors import InvalidParameter


def only(line: str) -> Instruction:
    """Read one instruction of a stage, without its place."""
    instructions = parse_dockerfile(f"FROM scratch\n{line}\n").stages[0].instructions
    assert len(instructions) == 1
    assert (instructions[0].line, instructions[0].end_line) == (2, 1 + len(line.split("\n")))
    return replace(instructions[0], line=0, end_line=0, text="")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("RUN make  all", Run(command=ShellForm("make  all"))),
        ("run\tmake", Run(command=ShellForm("make"))),
        ('RUN ["make", "a b"]', Run(command=ExecForm(("make", "a b")))),
        ("RUN [\"make\", 'a']", Run(command=ShellForm("[\"make\", 'a']"))),
        ("RUN [ -e /x ] && echo", Run(command=ShellForm("[ -e /x ] && echo"))),
        ("RUN --network=none make", Run(command=ShellForm("make"), network="none")),
        ("RUN --security=sandbox make", Run(command=ShellForm("make"), security="sandbox")),
        (
            "RUN --mount=type=cache,target=/c,id=x,sharing=locked,mode=0755,uid=1,gid=2 --mount=type=tmpfs,dst=/t,size=64m make",
            Run(
                command=ShellForm("make"),
                mounts=(
                    RunMount("cache", target="/c", id_="x", sharing="locked", mode=0o755, uid=1, gid=2),
                    RunMount("tmpfs", target="/t", size_bytes=64 << 20),
                ),
            ),
        ),
        (
            "RUN --mount=target=/b,src=a,from=one,rw x",
            Run(command=ShellForm("x"), mounts=(RunMount("bind", "a", "/b", "one", is_readonly=False),)),
        ),
        ("RUN --mount=type=bind,target=/b,ro x", Run(command=ShellForm("x"), mounts=(RunMount(target="/b", is_readonly=True),))),
        ('RUN "--mount=type=ssh" x', Run(command=ShellForm('"--mount=type=ssh" x'))),
        (
            "RUN --mount=type=secret,id=s,required x",
            Run(command=ShellForm("x"), mounts=(RunMount("secret", id_="s", is_required=True),)),
        ),
        ("RUN -- --x", Run(command=ShellForm("--x"))),
        ("CMD top -b", Cmd(command=ShellForm("top -b"))),
        ('CMD ["top","-b"]', Cmd(command=ExecForm(("top", "-b")))),
        ("CMD []", Cmd(command=ExecForm(()))),
        ('CMD ["a"] x', Cmd(command=ShellForm('["a"] x'))),
        (r'CMD ["\u00e9\n\"", "\\"]', Cmd(command=ExecForm(('é\n"', "\\")))),
        ("CMD [1e400000, NaN]", Cmd(command=ShellForm("[1e400000, NaN]"))),
        ("ENTRYPOINT /init", Entrypoint(command=ShellForm("/init"))),
        ('ENTRYPOINT ["/init"]', Entrypoint(command=ExecForm(("/init",)))),
        ("LABEL a=1 \"long name\"='of things'", Label(pairs=(("a", "1"), ('"long name"', "'of things'")))),
        ("LABEL a b  c", Label(pairs=(("a", "b  c"),))),
        ("ENV A=1 B=x\\ y C=$A D=", Env(pairs=(("A", "1"), ("B", "x\\ y"), ("C", "$A"), ("D", "")))),
        ("ENV A B=1 C", Env(pairs=(("A", "B=1 C"),))),
        ("ENV A=a=b", Env(pairs=(("A", "a=b"),))),
        ("EXPOSE 80 53/udp\t8000-8010/tcp $P", Expose(ports=("$P", "53/udp", "80", "8000-8010/tcp"))),
        ("COPY a b /c/", Copy(sources=("a", "b"), destination="/c/")),
        ('COPY ["a b", "/c d"]', Copy(sources=("a b",), destination="/c d")),
        ("COPY [a b", Copy(sources=("[a",), destination="b")),
        (
            "COPY --from=one --chown=1:2 --chmod=0644 --link --parents --exclude=*.a --exclude=*.b x y",
            Copy(
                sources=("x",),
                destination="y",
                from_="one",
                chown="1:2",
                chmod="0644",
                link=True,
                parents=True,
                excludes=("*.a", "*.b"),
            ),
        ),
        ("COPY --link=false x y", Copy(sources=("x",), destination="y")),
        ("ADD http://x/y.tgz /z", Add(sources=("http://x/y.tgz",), destination="/z")),
        (
            "ADD --checksum=sha256:ab --keep-git-dir=true --unpack=false --chown=ada --link x y",
            Add(sources=("x",), destination="y", checksum="sha256:ab", keep_git_dir=True, unpack=False, chown="ada", link=True),
        ),
        ("VOLUME /a /b", Volume(paths=("/a", "/b"))),
        ('VOLUME ["/a b"]', Volume(paths=("/a b",))),
        ("USER ada:staff", User(user="ada:staff")),
        ("WORKDIR /a b", Workdir(path="/a b")),
        ("ARG a b=1 c='x y'", Arg(args=(("a", None), ("b", "1"), ("c", "'x y'")))),
        ("ONBUILD RUN  make", Onbuild(trigger="RUN  make")),
        ("onbuild copy --from=x a b", Onbuild(trigger="copy --from=x a b")),
        ("STOPSIGNAL $S", Stopsignal(signal="$S")),
        ("HEALTHCHECK NONE", Healthcheck(command=None)),
        ("HEALTHCHECK CMD curl -f", Healthcheck(command=ShellForm("curl -f"))),
        (
            'healthcheck --interval=1m --timeout=3s --start-period=2s --start-interval=1s --retries=4 cmd ["x"]',
            Healthcheck(
                command=ExecForm(("x",)),
                interval_ns=60 * NS_PER_SECOND,
                timeout_ns=3 * NS_PER_SECOND,
                start_period_ns=2 * NS_PER_SECOND,
                start_interval_ns=NS_PER_SECOND,
                retries=4,
            ),
        ),
        ('SHELL ["/bin/bash", "-c"]', Shell(args=("/bin/bash", "-c"))),
        ("MAINTAINER Ada <ada@example.org>", Maintainer(name="Ada <ada@example.org>")),
        # Heredocs.
        ("RUN <<EOF\n a $x\nEOF", Run(command=ShellForm("<<EOF", (Heredoc("EOF", " a $x\n"),)))),
        ("RUN cat > /x << EOF\na\nEOF", Run(command=ShellForm("cat > /x << EOF", (Heredoc("EOF", "a\n"),)))),
        (
            "RUN python3 <<-'E-1' arg\n\t\ta\n\tb c\n\tE-1",
            Run(command=ShellForm("python3 <<-'E-1' arg", (Heredoc("E-1", "a\nb c\n", is_expanded=False),))),
        ),
        ("RUN 3<<A cat <<B\n1\nA\n2\nB", Run(command=ShellForm("3<<A cat <<B", (Heredoc("A", "1\n"), Heredoc("B", "2\n"))))),
        ("RUN echo $((1 << 2)) $((1<<2))", Run(command=ShellForm("echo $((1 << 2)) $((1<<2))"))),
        ("RUN cat <<< text", Run(command=ShellForm("cat <<< text"))),
        ("RUN echo '<<EOF'", Run(command=ShellForm("echo '<<EOF'"))),
        (
            'COPY <<"a.txt" <<b.txt c /d/\n$x\na.txt\n# no comment\\\n\nb.txt',
            Copy(
                sources=("c",),
                destination="/d/",
                heredocs=(Heredoc("a.txt", "$x\n", is_expanded=False), Heredoc("b.txt", "# no comment\\\n\n")),
            ),
        ),
        ("ADD --chmod=755 <<EOF /x\nEOF", Add(sources=(), destination="/x", chmod="755", heredocs=(Heredoc("EOF", ""),))),
        ("ONBUILD RUN <<EOF\nmake\nEOF", Onbuild(trigger="RUN <<EOF\nmake\nEOF")),
        ("CMD cat <<EOF", Cmd(command=ShellForm("cat <<EOF"))),
    ],
)
def test_an_instruction_reads_as(line: str, expected: Instruction) -> None:
    assert only(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FROM busybox", From(image="busybox")),
        ("from BusyBox as Build-1.x_y", From(image="BusyBox", name="build-1.x_y")),
        ("FROM --platform=$BUILDPLATFORM ${base:-x}:1 AS a", From(image="${base:-x}:1", name="a", platform="$BUILDPLATFORM")),
    ],
)
def test_a_stage_begins_as(line: str, expected: From) -> None:
    start = parse_dockerfile(line).stages[0].start
    assert (start.image, start.name, start.platform) == (expected.image, expected.name, expected.platform)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FOO bar", r"unknown instruction: FOO\n"),
        ("RUM make", r"unknown instruction: RUM \(did you mean RUN\?\)"),
        ("CPOY a b", r"did you mean COPY"),
        ("pip install flask", r"unknown instruction: PIP \(a command for the shell needs RUN before it: RUN pip …\)"),
        ("cd /tmp", r"needs RUN before it: RUN cd"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a IS b", "FROM requires either one or three arguments"),
        ("FROM a AS 1", "invalid name for build stage"),
        ("FROM a AS b/c", "invalid name for build stage"),
        ("RUN", "RUN requires at least one argument"),
        ("RUN []", "RUN requires at least one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("COPY a", "COPY requires at least two arguments"),
        ('ADD ["a"]', "ADD requires at least two arguments"),
        ("COPY <<EOF\nEOF", "requires at least two arguments"),
        ("COPY --chown=x", "COPY requires at least one argument"),
        ("COPY --form=a b c", r"unknown flag: form \(did you mean --from\?\)"),
        ("CMD --x y", r"unknown flag: x"),
        ("COPY --from=a --from=b c d", "duplicate flag specified: from"),
        ("COPY --from a b", "missing a value on flag: from"),
        ("COPY --link=maybe a b", "expecting boolean value for flag link"),
        ("COPY --from=$x a b", "variables are not expanded in --from"),
        ('CMD ["a", 1]', "arrays must be comprised of strings only"),
        ('CMD ["a", ["b"]]', "arrays must be comprised of strings only"),
        (r'CMD ["a\u0000"]', "null byte or half a character"),
        (r'CMD ["\ud800"]', "null byte or half a character"),
        ("SHELL /bin/bash -c", "SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", 'can\'t find = in "B"'),
        ("ENV =1", "ENV names can not be blank"),
        ("LABEL =1", "LABEL names can not be blank"),
        ("ARG =1", "ARG names can not be blank"),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD FROM a", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger"),
        ("ONBUILD ONBUILD RUN a", "chaining ONBUILD"),
        ("ONBUILD FOO a", "unknown instruction: FOO"),
        ("HEALTHCHECK RUN a", 'unknown type "RUN" in HEALTHCHECK'),
        ("HEALTHCHECK CMD", "missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK CMD []", "missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE a", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK --retries=1 NONE", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK --interval=1 CMD a", "invalid duration '1'"),
        ("HEALTHCHECK --interval=1us CMD a", "cannot be less than"),
        ("HEALTHCHECK --retries=-1 CMD a", "is not a number"),
        ("RUN --mount=type=disk,target=/x a", "unsupported mount type"),
        ("RUN --mount=type=cache a", "needs target"),
        ("RUN --mount=type=cache,target=/x,sharing=some a", "unsupported sharing value"),
        ("RUN --mount=type=tmpfs,target=/x,source=a a", "not allowed for type tmpfs"),
        ("RUN --mount=type=tmpfs,target=/x,size=lots a", "is not a size"),
        ("RUN --mount=type=bind,target=/x,target=/y a", "given twice"),
        ("RUN --mount=type=bind,target=/x,from=$x a", "variables are not expanded"),
        ("RUN --mount=type=bind,target=/x,ro=perhaps a", "is true or false"),
        ("RUN --mount=type=cache,target=/x,mode=9 a", "not a number of base 8"),
        ("RUN --mount=type=cache,target=/x,colour=red a", "unexpected mount option"),
        ("RUN --network=some a", "unsupported network mode"),
        ("RUN --security=none a", "unsupported security mode"),
        ("RUN <<EOF\na", "unterminated heredoc"),
        ("COPY <<A <<B /x\nA\n", 'unterminated heredoc: expected a line "B"'),
        ("RUN <<-EOF\n  EOF", "unterminated heredoc"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_was_expected(line: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        parse_dockerfile(f"FROM scratch\n\n{line}")
    first = line.split("\n", maxsplit=1)[0]
    assert caught.value.line == 3
    assert caught.value.message.startswith("dockerfile parse error on line 3: ")
    assert caught.value.message.endswith(f"\n   3 | {first}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the Dockerfile \(sub/My\) cannot be empty"),
        (" \n\t\r\n", r"the Dockerfile \(sub/My\) cannot be empty"),
        ("# nothing\n", "file with no instructions"),
        ("RUN x", "on line 1: no build stage in current context"),
        ("ARG x\n\nRUN x\nFROM y", "on line 3: no build stage in current context"),
        ("ARG x", "no build stage in current context"),
        ("FROM a AS x\nFROM b AS X", "on line 2: x stage name already used on line 1"),
        (b"FROM a\n\xff", "on line 2: this is not UTF-8 text"),
        ("FROM a\nRUN \0", "on line 2: a null byte"),
        ("FROM a\nRUN \ud800", "on line 2: this is not UTF-8 text"),
        ("#" * (MAX_FILE_BYTES + 1), "is longer than"),
        ("FROM a\n" * (MAX_INSTRUCTIONS + 1), f"on line {MAX_INSTRUCTIONS + 1}: more than"),
        ("# escape=x\nFROM a", r"on line 1: invalid escape token"),
        ("# escape=\\\n# Escape = `\nFROM a", "on line 2: only one escape parser directive can be used"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parse_dockerfile(text, name="sub/My")


def test_arguments_before_the_first_stage_stand_apart() -> None:
    dockerfile = parse_dockerfile("ARG a=1\nARG b\nFROM x AS one\nRUN a\nFROM one\nARG c\n")
    assert [arg.args for arg in dockerfile.args] == [(("a", "1"),), (("b", None),)]
    assert [(stage.index, stage.name, stage.base, stage.line, len(stage.instructions)) for stage in dockerfile.stages] == [
        (0, "one", "x", 3, 1),
        (1, "", "one", 5, 1),
    ]


def test_a_trigger_is_one_instruction_that_may_be_one() -> None:
    assert parse_trigger("RUN <<EOF\nmake\nEOF") == Run(
        command=ShellForm("<<EOF", (Heredoc("EOF", "make\n"),)), line=1, end_line=3, text="RUN <<EOF"
    )
    for trigger in ("", "RUN a\nRUN b", "FROM x", "ONBUILD RUN x", "MAINTAINER x", "FOO", "RUN <<EOF"):
        with pytest.raises(DockerfileError, match="on line 1: "):
            parse_trigger(trigger)
    for trigger in ("RUN \0", "RUN \ud800", "RUN " + "x" * MAX_FILE_BYTES):
        with pytest.raises(InvalidParameter):
            parse_trigger(trigger)


def test_a_long_line_is_shown_shortened_and_printable() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_dockerfile("FROM a\nFOO \x1b[31m" + "x" * 10_000)
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 400
