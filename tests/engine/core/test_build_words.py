"""Words of a Dockerfile: quotes, escapes, variables and their modifiers, and the bounds on all of them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.build_words import MAX_DEPTH, MAX_PATTERN, MAX_WORD, expand, expand_text, expand_words, split_words
from engine.core.shell_patterns import remove_prefix, remove_suffix, replace_matches
from engine.errors import InvalidParameter

VARIABLES = {
    "a": "foobarbaz",
    "empty": "",
    "path": "/x/y.tar.gz",
    "two": "80 443",
    "q": "'",
    "star": "*",
    "9": "nine",
    "A_1": "u",
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$a", "foobarbaz"),
        ("${a}x", "foobarbazx"),
        ("$a-$a", "foobarbaz-foobarbaz"),
        ("$A_1.", "u."),
        ("$9a", "ninea"),
        ("x$nothing.", "x."),
        ("$", "$"),
        ("a$.b", "a$.b"),
        (r"\$a", "$a"),
        (r"\\$a", r"\foobarbaz"),
        ("a\\", "a"),
        (r"a\ b\c", "a bc"),
        ("'$a \\'", "$a \\"),
        ('"$a b"', "foobarbaz b"),
        (r'"\$a \"b\" \\ \n"', '$a "b" \\ \\n'),
        ("a'b'\"c\"", "abc"),
        ("$q$a", "'foobarbaz"),
        ("${nothing:-x y}", "x y"),
        ("${empty:-x}", "x"),
        ("${empty-x}", ""),
        ("${nothing-x}", "x"),
        ("${a:-x}", "foobarbaz"),
        ("${a:+x}", "x"),
        ("${empty:+x}", ""),
        ("${empty+x}", "x"),
        ("${nothing+x}", ""),
        ("${a:?no}", "foobarbaz"),
        ("${empty?no}", ""),
        ("${nothing:-${empty:-${a}}}", "foobarbaz"),
        ("${nothing:-'}'}", "}"),
        ('${nothing:-"a b"}', "a b"),
        (r"${nothing:-\}}", "}"),
        ("${path#/*/}", "y.tar.gz"),
        ("${path#*/}", "x/y.tar.gz"),
        ("${path##*/}", "y.tar.gz"),
        ("${path%.*}", "/x/y.tar"),
        ("${path%%.*}", "/x/y"),
        ("${path%gz}", "/x/y.tar."),
        ("${path%zip}", "/x/y.tar.gz"),
        ("${path#?x}", "/y.tar.gz"),
        (r"${star#\*}", ""),
        (r"${a#\*}", "foobarbaz"),
        ("${nothing#x}", ""),
        ("${a/ba?/X}", "fooXbaz"),
        ("${a//ba?/X}", "fooXX"),
        ("${a//b*/X}", "fooX"),
        ("${a/o}", None),
        ("${a//o/}", "fbarbaz"),
        ("${path//\\//_}", "_x_y.tar.gz"),
        ("${a//$nothing/x}", "foobarbaz"),
        ("${a/${nothing:-foo}/${empty:-X}}", "Xbarbaz"),
    ],
)
def test_a_word_means(word: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(InvalidParameter):
            expand(word, VARIABLES)
    else:
        assert expand(word, VARIABLES) == expected


def test_a_backtick_escapes_where_it_is_asked_for() -> None:
    assert expand(r"C:\x `$a `` $empty", VARIABLES, escape="`") == r"C:\x $a ` "


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${a", "missing '}'"),
        ("${", "missing '}'"),
        ("${}", "bad substitution"),
        ("${:x}", "bad substitution"),
        ("${{a}}", "bad substitution"),
        ("${a^}", re.escape("unsupported modifier (^)")),
        ("${a,,}", re.escape("unsupported modifier (,)")),
        ("${a:%x}", re.escape("unsupported modifier (:%)")),
        ("${a:1:2}", re.escape("unsupported modifier (:1)")),
        ("${a b}", re.escape("unsupported modifier ( )")),
        ("${nothing:?}", "nothing: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${nothing?give $a}", "nothing: give foobarbaz"),
        ("'x", "matching single-quote"),
        ('"x', "matching double-quote"),
        ('"${a"', "unsupported modifier|missing"),
        ("${a:-", "missing '}'"),
        ("${a/x}", "missing '/'"),
    ],
)
def test_a_word_that_cannot_be_read_says_why(word: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        expand(word, VARIABLES)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$two", ["80", "443"]),
        ('"$two"', ["80 443"]),
        ("1$two", ["180", "443"]),
        ("$empty", []),
        ('""', [""]),
        ("a\\ b", ["a b"]),
    ],
)
def test_only_bare_blanks_part_words(word: str, expected: list[str]) -> None:
    assert expand_words(word, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1 b=2", ["a=1", "b=2"]),
        ("a='1 2'\tb=\"3 '4\"", ["a='1 2'", 'b="3 \'4"']),
        (r"a=1\ 2 b", [r"a=1\ 2", "b"]),
        ("a='1 2", ["a='1 2"]),
        ("a=\\", ["a=\\"]),
        ("  ", []),
    ],
)
def test_words_are_split_with_their_quotes_kept(text: str, expected: list[str]) -> None:
    assert split_words(text) == expected


def test_a_heredocs_quotes_are_letters_and_its_backslashes_escapes() -> None:
    assert expand_text("'$a' \"${a}\" \\$a it's\n", VARIABLES, longest=1000) == "'foobarbaz' \"foobarbaz\" $a it's\n"


@pytest.mark.parametrize(
    "word",
    [
        "$x" * 200,
        "${y:-" + "$x" * 200 + "}",
        "${many//a/$x}",
        "${y:-" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1),
        f"${{x#{'a' * (MAX_PATTERN + 1)}}}",
        "${x%?????????}" * 10_000,
    ],
    ids=["many", "in a default", "replaced", "nested", "a long pattern", "many patterns"],
)
def test_what_grows_or_takes_too_long_is_refused(word: str) -> None:
    with pytest.raises(InvalidParameter, match=r"longer than|too long|deeper than"):
        expand(word, {"x": "x" * (MAX_WORD // 100), "many": "a" * 10_000})


@pytest.mark.parametrize("piece", ["$", "${", "'", '"', "\\", "${a:-", "${a/", "$a", "''", "}"])
def test_long_malformed_words_are_read_once(piece: str) -> None:
    """Nothing here goes back: a million characters would not end otherwise."""
    try:
        expand(piece * (1_000_000 // len(piece)), {"a": ""}, longest=1 << 21)
    except (InvalidParameter, RecursionError) as error:
        assert isinstance(error, InvalidParameter)


PATTERNS = st.text("ab*?", max_size=8)


def _expression(pattern: str, *, is_longest: bool) -> str:
    star = ".*" if is_longest else ".*?"
    return "".join({"*": star, "?": "."}.get(character, character) for character in pattern)


@settings(max_examples=300, deadline=None)
@given(value=st.text("ab", max_size=8), pattern=PATTERNS, is_longest=st.booleans())
def test_what_is_cut_off_is_the_shortest_or_longest_that_fits(value: str, pattern: str, is_longest: bool) -> None:
    expression = re.compile(_expression(pattern, is_longest=True), re.DOTALL)
    lengths = [length for length in range(len(value) + 1) if expression.fullmatch(value[:length])]
    best = (max(lengths) if is_longest else min(lengths)) if lengths else 0
    assert remove_prefix(value, pattern, escape="\\", is_longest=is_longest) == value[best:]
    lengths = [length for length in range(len(value) + 1) if expression.fullmatch(value[len(value) - length :])]
    best = (max(lengths) if is_longest else min(lengths)) if lengths else 0
    assert remove_suffix(value, pattern, escape="\\", is_longest=is_longest) == value[: len(value) - best]


@settings(max_examples=300, deadline=None)
@given(
    value=st.text("ab", max_size=8), pattern=PATTERNS.filter(lambda pattern: pattern.strip("*") != ""), everywhere=st.booleans()
)
def test_what_is_replaced_is_what_an_expression_finds(value: str, pattern: str, everywhere: bool) -> None:
    expected = re.sub(_expression(pattern, is_longest=True), "X", value, count=0 if everywhere else 1, flags=re.DOTALL)
    assert replace_matches(value, pattern, "X", escape="\\", replaces_all=everywhere, longest=100) == expected


WORDS = st.recursive(
    st.one_of(
        st.text("ab ./", max_size=3).map(lambda text: (text, text)),
        st.sampled_from([("$a", "A"), ("${a}", "A"), ("${e}", ""), ("${n}", ""), ("\\$", "$"), ("'$a'", "$a"), ('"$a"', "A")]),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: (pair[0][0] + pair[1][0], pair[0][1] + pair[1][1])),
        inner.map(lambda word: (f"${{n:-{word[0]}}}", word[1])),
        inner.map(lambda word: (f"${{e:-{word[0]}}}", word[1])),
        inner.map(lambda word: (f"${{e-{word[0]}}}", "")),
        inner.map(lambda word: (f"${{a:+{word[0]}}}", word[1])),
        inner.map(lambda word: (f"${{n+{word[0]}}}", "")),
        inner.map(lambda word: (f"${{a?{word[0]}}}", "A")),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(WORDS)
def test_words_mean_what_they_were_built_to_mean(word: tuple[str, str]) -> None:
    written, meant = word
    # A name ends where a brace, a quote or another sign follows: a letter put behind it would belong to it.
    if not re.search(r"\$a[ab]", written):
        assert expand(written, {"a": "A", "e": ""}) == meant


@settings(max_examples=300, deadline=None)
@given(st.text("a$ {}:-+?#%/'\"\\`b\n*", max_size=30))
def test_any_word_is_read_or_refused(word: str) -> None:
    for read in (expand, expand_words):
        try:
            read(word, VARIABLES)
        except InvalidParameter as error:
            assert error.message
