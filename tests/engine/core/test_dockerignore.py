"""What .dockerignore leaves out: tables, and a slow reading of moby's rules to compare with."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.dockerignore import MAX_FILE_BYTES, MAX_PATTERNS, MAX_WORK, parse_dockerignore
from engine.core.ignore_patterns import compile_ignored
from engine.errors import InvalidParameter

TREE = [
    "a",
    "a.md",
    "README.md",
    "sub",
    "sub/a.md",
    "sub/README.md",
    "sub/deep",
    "sub/deep/a.md",
    "sub/deep/b",
    "tmp",
    "tmp/x",
    "#a",
    "!a",
]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", set(TREE)),
        ("# all\n\n   \n", set(TREE)),
        ("*", set()),
        ("**", set()),
        (".", set(TREE)),
        ("/", set(TREE)),
        ("..", set(TREE)),
        ("*.md", set(TREE) - {"a.md", "README.md"}),
        ("**/*.md", {"a", "sub", "sub/deep", "sub/deep/b", "tmp", "tmp/x", "#a", "!a"}),
        ("*/*.md", set(TREE) - {"sub/a.md", "sub/README.md"}),
        ("*.md\n!README.md", set(TREE) - {"a.md"}),
        ("!README.md\n*.md", set(TREE) - {"a.md", "README.md"}),
        ("*.md\n!README*.md\nREADME.md", set(TREE) - {"a.md", "README.md"}),
        ("*\n!sub/deep\nsub/deep/a.md", {"sub/deep", "sub/deep/b"}),
        ("*\n!**/*.md", {"a.md", "README.md", "sub/a.md", "sub/README.md", "sub/deep/a.md"}),
        ("sub", {"a", "a.md", "README.md", "tmp", "tmp/x", "#a", "!a"}),
        ("/sub/", {"a", "a.md", "README.md", "tmp", "tmp/x", "#a", "!a"}),
        ("./x/../sub//", {"a", "a.md", "README.md", "tmp", "tmp/x", "#a", "!a"}),
        ("  sub  \r\n", {"a", "a.md", "README.md", "tmp", "tmp/x", "#a", "!a"}),
        ("sub\n!sub/README.md", {"a", "a.md", "README.md", "sub/README.md", "tmp", "tmp/x", "#a", "!a"}),
        ("sub\n! /sub/deep/", {"a", "a.md", "README.md", "sub/deep", "sub/deep/a.md", "sub/deep/b", "tmp", "tmp/x", "#a", "!a"}),
        ("**/deep", set(TREE) - {"sub/deep", "sub/deep/a.md", "sub/deep/b"}),
        ("sub/**/b", set(TREE) - {"sub/deep/b"}),
        ("sub/**", set(TREE) - {"sub/a.md", "sub/README.md", "sub/deep", "sub/deep/a.md", "sub/deep/b"}),
        ("t??", set(TREE) - {"tmp", "tmp/x"}),
        ("[ab]", set(TREE) - {"a"}),
        ("[^ab]*", {"a", "a.md"}),
        ("\\#a\n\\!a", set(TREE) - {"#a", "!a"}),
        ("#a", set(TREE)),
        (" #a", set(TREE) - {"#a"}),
        ("\ufeffa", set(TREE) - {"a"}),
        ("A", set(TREE)),
        # As dockerd was seen to do: a pattern that changes nothing for a folder does not count for what is in it.
        ("**/a.md\n!s*", set(TREE) - {"a.md", "sub/a.md", "sub/deep/a.md"}),
        ("**/a.md\n!*", set(TREE) - {"sub/a.md", "sub/deep/a.md"}),
        ("sub\n!sub/deep\ns*", set(TREE) - {"sub", "sub/a.md", "sub/README.md"}),
    ],
)
def test_a_context_keeps(text: str, left: set[str]) -> None:
    ignore = parse_dockerignore(text)
    assert {path for path in TREE if not ignore.excludes(path)} == left
    # In any order: nothing is remembered wrongly.
    assert {path for path in reversed(TREE) if not ignore.excludes(path)} == left
    assert {path for path in TREE if not ignore.excludes(f"./{path}/")} == left
    assert not ignore.excludes(".")


def test_names_that_are_no_text_are_compared_byte_by_byte() -> None:
    ignore = parse_dockerignore(b"\xef\xbb\xbf\xff*\n")
    assert ignore.excludes("\udcffx")
    assert not ignore.excludes("x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n!", "line 2: illegal exclusion pattern"),
        ("a\n\n[", "line 3: syntax error in pattern"),
        ("a\\", "line 1: syntax error in pattern"),
        ("a\n" * (MAX_PATTERNS + 1), "more than"),
        ("a" * (MAX_FILE_BYTES + 1), "is longer than"),
        ("*" * 5000, "is longer than"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parse_dockerignore(text)


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        ("sub", "sub", False),
        ("sub\n!sub/x", "sub", True),
        ("!sub/x\nsub", "sub", False),
        ("sub\n!other", "sub", False),
        ("sub\n!**/x", "sub", True),
        ("sub\n!s*/x", "sub", True),
        ("sub\n!subway/x", "sub", False),
        ("sub\n!sub/deep/x", "sub/deep", True),
        ("sub\n!sub/deep/x", "sub/other", False),
    ],
)
def test_an_excluded_folder_is_looked_into_only_where_something_may_come_back(text: str, folder: str, expected: bool) -> None:
    assert parse_dockerignore(text).can_reinclude_below(folder) is expected


def expression_of(pattern: str) -> str:
    """Moby's translation, character by character, without any thought for speed."""
    source, index = "", 0
    while index < len(pattern):
        character = pattern[index]
        index += 1
        if character == "*" and pattern[index : index + 1] == "*":
            index += 1
            if pattern[index : index + 1] == "/":
                index += 1
            source += "(.*/)?" if index < len(pattern) else ".*"
        else:
            source += {"*": "[^/]*", "?": "[^/]", "[": "[", "]": "]"}.get(character) or re.escape(character)
    return source


def excludes_slowly(patterns: list[str], path: str) -> bool:
    """Go down the folders; a pattern is tried where it would change something, and what fits a folder fits all in it."""
    expressions = [re.compile(expression_of(pattern.removeprefix("!"))) for pattern in patterns]
    fitted = [False] * len(patterns)
    is_out = False
    parts = path.split("/")
    for length in range(1, len(parts) + 1):
        is_out = False
        for number, (pattern, expression) in enumerate(zip(patterns, expressions, strict=True)):
            is_negated = pattern.startswith("!")
            if not fitted[number] and is_negated == is_out:
                fitted[number] = expression.fullmatch("/".join(parts[:length])) is not None
            if fitted[number]:
                is_out = not is_negated
    return is_out


PIECES = st.sampled_from(["a", "b", "ab", "*", "?", "**", "a*", "*b", "**/", "/**", "[ab]", "**a", "a**", "***", "a**/b"])
PATTERNS = st.lists(PIECES, min_size=1, max_size=4).map("/".join).map(lambda text: re.sub("/+", "/", text).strip("/"))
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab"]), min_size=1, max_size=5).map("/".join)


@settings(max_examples=400, deadline=None)
@given(
    lines=st.lists(st.tuples(st.sampled_from(["", "", "!"]), PATTERNS.filter(bool)), max_size=5),
    paths=st.lists(PATHS, max_size=6),
)
def test_what_is_left_out_is_what_the_rules_say(lines: list[tuple[str, str]], paths: list[str]) -> None:
    patterns = ["".join(line) for line in lines]
    ignore = parse_dockerignore("\n".join(patterns))
    assert [ignore.excludes(path) for path in paths] == [excludes_slowly(patterns, path) for path in paths]


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.tuples(st.sampled_from(["", "!"]), PATTERNS.filter(bool)), max_size=4), folder=PATHS, below=PATHS)
def test_a_folder_that_is_passed_by_has_nothing_to_take(lines: list[tuple[str, str]], folder: str, below: str) -> None:
    ignore = parse_dockerignore("\n".join("".join(line) for line in lines))
    if ignore.excludes(folder) and not ignore.can_reinclude_below(folder):
        assert ignore.excludes(f"{folder}/{below}")


@settings(max_examples=400, deadline=None)
@given(pattern=st.lists(PIECES, min_size=3, max_size=8).map("".join), path=PATHS)
def test_patterns_of_many_stars_fit_what_the_expression_does(pattern: str, path: str) -> None:
    matcher = compile_ignored(pattern)
    fits = path == pattern if matcher is None else matcher.fits(path)
    assert fits == (re.fullmatch(expression_of(pattern), path) is not None)


@pytest.mark.parametrize(
    "pattern", ["**/" + "*a" * 100 + "b", "**/a/" * 100 + "b", "*a" * 500 + "b", "a**" * 300 + "b", "***/" * 300 + "b"]
)
def test_a_pattern_made_to_go_back_over_the_text_does_not(pattern: str) -> None:
    """An expression would not come to an end within the age of this machine."""
    ignore = parse_dockerignore(pattern)
    assert not any(ignore.excludes(path) for path in ("a" * 255, "a/" * 200 + "c", "aaaaaaa/" * 50 + "c"))


def test_patterns_and_paths_that_would_keep_the_engine_busy_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.dockerignore.MAX_WORK", MAX_WORK // 10_000)
    ignore = parse_dockerignore("\n".join(f"*x*y*z{number}" for number in range(1000)))
    with pytest.raises(InvalidParameter, match="take too long"):
        for number in range(1000):
            ignore.excludes(f"{number}/" + "a" * 200)


def test_plain_patterns_without_end_are_refused_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one comparison, but a million files meet all of them."""
    monkeypatch.setattr("engine.core.dockerignore.MAX_WORK", MAX_WORK // 10_000)
    ignore = parse_dockerignore("\n".join(f"plain{number}" for number in range(2000)))
    with pytest.raises(InvalidParameter, match="take too long"):
        for number in range(100):
            ignore.excludes(f"file{number}")
    few = parse_dockerignore("\n".join(f"plain{number}" for number in range(20)))
    assert not any(few.excludes(f"file{number}") for number in range(1000))
