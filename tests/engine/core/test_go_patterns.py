"""File name patterns as Go reads them, in tables and against a slow reading of the same rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.go_patterns import MAX_PATTERN, CharacterClass, Token, Wild, has_meta, match, parse_pattern
from engine.errors import InvalidParameter


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*", "a/b", False),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a[^a]b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("[a-ζ]*", "ζ", True),
        ("*[a-ζ]", "A", False),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-x]", "-", True),
        ("[x\\-]", "z", False),
        ("[!a]", "!", True),
        ("*x", "xxx", True),
        ("", "", True),
        ("*", "", True),
        ("**", "ab", True),
        ("?", "", False),
        ("]", "]", True),
        ("[b-a]", "a", False),
    ],
)
def test_a_pattern_fits(pattern: str, name: str, expected: bool) -> None:
    assert match(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a\\", "[a-b-c]", "[]", "[\\"])
def test_a_pattern_that_is_none_is_refused_whatever_the_name(pattern: str) -> None:
    for name in ("", "a", "]"):
        with pytest.raises(InvalidParameter, match="syntax error in pattern"):
            match(pattern, name)


def test_a_plain_name_has_no_meta_characters() -> None:
    assert [has_meta(text) for text in ("a/b.c", "a*", "a?", "[a", "a\\b", "")] == [False, True, True, True, True, False]


def test_many_stars_take_steps_in_proportion_to_both_lengths() -> None:
    assert not match("a*" * 500 + "b", "a" * 2000)
    with pytest.raises(InvalidParameter, match="is longer than"):
        match("a" * (MAX_PATTERN + 1), "a")


def fits_slowly(tokens: tuple[Token, ...], name: str) -> bool:
    """Try every length for every star."""
    if not tokens:
        return not name
    first, rest = tokens[0], tokens[1:]
    if first is Wild.STAR:
        lengths = range(len(name.split("/", maxsplit=1)[0]) + 1)
        return any(fits_slowly(rest, name[length:]) for length in lengths)
    if not name:
        return False
    if isinstance(first, CharacterClass):
        is_fit = any(low <= name[0] <= high for low, high in first.ranges) != first.is_negated
    else:
        is_fit = name[0] != "/" if first is Wild.ONE else name[0] == first
    return is_fit and fits_slowly(rest, name[1:])


@settings(max_examples=400, deadline=None)
@given(
    pattern=st.lists(st.sampled_from(["a", "b", "/", "*", "?", "[a]", "\\*"]), max_size=8).map("".join),
    name=st.text("ab/*", max_size=8),
)
def test_a_pattern_fits_what_the_rules_say(pattern: str, name: str) -> None:
    assert match(pattern, name) == fits_slowly(parse_pattern(pattern), name)


@settings(max_examples=300, deadline=None)
@given(pattern=st.text("ab*?[]^-\\/", max_size=10), name=st.text("ab/", max_size=5))
def test_any_pattern_is_read_or_refused(pattern: str, name: str) -> None:
    try:
        assert match(pattern, name) in (True, False)
    except InvalidParameter as error:
        assert "syntax error in pattern" in error.message
