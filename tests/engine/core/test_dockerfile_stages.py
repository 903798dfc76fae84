"""Stages that a build needs, and the variables that each may use."""

import pytest

from engine.core.dockerfile import parse_dockerfile
from engine.core.dockerfile_instructions import Arg
from engine.core.dockerfile_resolve import resolve
from engine.core.dockerfile_scope import Variables, platform_args, unused_build_args
from engine.core.dockerfile_stages import count_steps, needed_stages, source_stage
from engine.errors import InvalidParameter

FILE = """
ARG a
FROM x AS base
RUN a
FROM Base AS Tools
RUN b
FROM y AS unused
RUN c
FROM z AS test
COPY --from=1 a b
FROM scratch
COPY --from=BASE a b
RUN --mount=type=bind,from=tools,target=/t x
COPY --from=alpine:3 a b
"""


@pytest.mark.parametrize(
    ("target", "expected", "steps"),
    [
        ("", (0, 1, 4), 9),
        ("4", (0, 1, 4), 9),
        ("base", (0,), 3),
        ("TOOLS", (0, 1), 5),
        ("unused", (2,), 3),
        ("test", (0, 1, 3), 7),
        ("0", (0,), 3),
    ],
)
def test_only_what_the_target_builds_on_is_needed(target: str, expected: tuple[int, ...], steps: int) -> None:
    dockerfile = parse_dockerfile(FILE)
    assert needed_stages(dockerfile, target) == expected
    assert count_steps(dockerfile, expected) == steps


@pytest.mark.parametrize("target", ["nobody", "5", "-1", "99999999999999999999"])
def test_an_unknown_target_is_refused_in_dockerds_words(target: str) -> None:
    with pytest.raises(
        InvalidParameter, match=f"failed to reach build target {target} in Dockerfile: its stages are base, tools"
    ):
        needed_stages(parse_dockerfile(FILE), target)


@pytest.mark.parametrize("name", ["1", "2", "self", "later"])
def test_a_stage_copies_from_earlier_ones_only(name: str) -> None:
    text = f"FROM a\nFROM b AS self\nCOPY --from={name} x y\nFROM c AS later"
    with pytest.raises(InvalidParameter, match="on line 3: invalid from flag value"):
        needed_stages(parse_dockerfile(text), "self")
    assert needed_stages(parse_dockerfile(text)) == (2,)


def test_a_name_is_an_image_where_no_earlier_stage_has_it() -> None:
    dockerfile = parse_dockerfile("FROM x AS x\nFROM y\nFROM X\n")
    assert source_stage(dockerfile, "x", 0) is None
    assert source_stage(dockerfile, "X", 2) == 0
    assert source_stage(dockerfile, "1", 2) is None
    assert source_stage(dockerfile, "1", 2, by_number=True) == 1
    assert source_stage(dockerfile, "2", 2, by_number=True) is None


def test_a_thousand_stages_are_sorted_out() -> None:
    text = "FROM x AS s0\n" + "".join(f"FROM s{number - 1} AS s{number}\n" for number in range(1, 999))
    assert needed_stages(parse_dockerfile(text)) == tuple(range(999))


def scope(text: str, **build_args: str) -> Variables:
    """Return the variables at the end of the last stage."""
    platform = platform_args(
        target_os="linux", target_architecture="arm", target_variant="v7", build_os="linux", build_architecture="amd64"
    )
    variables = Variables.of_file(build_args, platform)
    dockerfile = parse_dockerfile(text)
    for arg in dockerfile.args:
        variables = variables.declare(resolve(arg, variables.values()))
    for stage in dockerfile.stages:
        variables = variables.stage()
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                variables = variables.declare(resolve(instruction, variables.values(("E=env",))))
    return variables


@pytest.mark.parametrize(
    ("text", "build_args", "expected"),
    [
        ("ARG a=1\nFROM x", {}, {}),
        ("ARG a=1\nFROM x\nARG a", {}, {"a": "1"}),
        ("ARG a=1\nFROM x\nARG a=2", {}, {"a": "2"}),
        ("ARG a=1\nFROM x\nARG a", {"a": "3"}, {"a": "3"}),
        ("ARG a=1\nFROM x\nARG a=2", {"a": "3"}, {"a": "3"}),
        ("FROM x\nARG a=1\nFROM y", {}, {}),
        ("FROM x\nARG a=1\nFROM y\nARG a", {}, {}),
        ("FROM x\nARG a", {}, {}),
        ("FROM x\nARG a=", {}, {"a": ""}),
        ("FROM x\nARG a=1\nARG b=$a$E", {}, {"a": "1", "b": "1env"}),
        ("FROM x\nARG a=1\nARG a", {}, {}),
        ("ARG a=1\nARG b=${a}2\nFROM x\nARG b", {}, {"b": "12"}),
        ("FROM x\nARG E=arg", {}, {"E": "env"}),
        ("FROM x\nARG E", {"E": "given"}, {"E": "env"}),
        ("FROM x", {"a": "undeclared"}, {}),
        (
            "FROM x\nARG TARGETPLATFORM TARGETARCH BUILDARCH=x",
            {},
            {"TARGETPLATFORM": "linux/arm/v7", "TARGETARCH": "arm", "BUILDARCH": "x"},
        ),
        ("FROM x\nARG TARGETARCH", {"TARGETARCH": "s390x"}, {"TARGETARCH": "s390x"}),
    ],
)
def test_a_stage_knows(text: str, build_args: dict[str, str], expected: dict[str, str]) -> None:
    assert scope(text, **build_args).values(("E=env",)) == {"E": "env", **expected}


def test_from_lines_use_what_stands_before_the_first_of_them() -> None:
    variables = Variables.of_file(
        {"b": "given", "TARGETARCH": "mine"}, platform_args(target_os="linux", target_architecture="amd64")
    )
    dockerfile = parse_dockerfile("ARG a=1\nARG b=2\nFROM --platform=$BUILDPLATFORM i${a}-$b:$TARGETARCH")
    for arg in dockerfile.args:
        variables = variables.declare(resolve(arg, variables.values()))
    start = resolve(dockerfile.stages[0].start, variables.values())
    assert (start.image, start.platform) == ("i1-given:mine", "linux/amd64")
    with pytest.raises(InvalidParameter, match=r"on line 1: base name \(\$x\) should not be blank"):
        resolve(parse_dockerfile("FROM $x").stages[0].start, {})


def test_a_run_is_given_args_and_proxies_that_the_environment_does_not_hide() -> None:
    variables = scope("FROM x\nARG b=2\nARG a\nARG no\nARG E", a="1", E="hidden", http_proxy="p", HTTPS_PROXY="q", other="o")
    assert variables.run_environment(("E=env",)) == ("HTTPS_PROXY=q", "a=1", "b=2", "http_proxy=p")
    assert variables.history_args(("E=env",)) == ("a=1", "b=2")
    assert scope("FROM x\nARG http_proxy", http_proxy="p").history_args() == ("http_proxy=p",)


def test_build_args_that_nobody_names_are_warned_of() -> None:
    dockerfile = parse_dockerfile("ARG a\nFROM x\nARG b=1\nFROM y\nARG c")
    given = ("z", "c", "b", "a", "HTTP_PROXY", "no_proxy", "y")
    assert unused_build_args(dockerfile, given) == ("y", "z")
    assert unused_build_args(dockerfile, given, stages=(1,)) == ("b", "y", "z")
    assert unused_build_args(dockerfile, given, triggers=[Arg(args=(("y", None),))]) == ("z",)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_build_args_that_no_environment_can_hold_are_refused(value: str) -> None:
    for build_args in ({"a": value}, {value: "a"}):
        with pytest.raises(InvalidParameter, match="null byte or half a character"):
            Variables.of_file(build_args, {})
