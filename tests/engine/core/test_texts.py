"""Names, ids, signals, times, filters, keys: the small grammars."""

import pytest

from engine.core.capabilities import ALL, DEFAULT, effective_capabilities
from engine.core.containers import ContainerConfig
from engine.core.detachkeys import DetachScanner, parse_detach_keys
from engine.core.filters import matches_labels, matches_name, parse_filters, parse_ports
from engine.core.humantime import format_span
from engine.core.ids import format_id, is_acceptable_id, is_id_prefix
from engine.core.image_config import ImageConfig
from engine.core.merge import DEFAULT_PATH, merge_config, merge_env
from engine.core.names import made_up_name, parse_name
from engine.core.signals import parse_signal
from engine.core.stdcopy import STDERR, frame
from engine.core.timeformat import ZERO_TIME, format_time, parse_time
from engine.errors import InvalidParameter

NOW = 1_700_000_000 * 10**9


@pytest.mark.parametrize(("text", "name"), [("lab", "lab"), ("/lab", "lab"), ("A.b_c-1", "A.b_c-1"), ("a" * 128, "a" * 128)])
def test_good_names(text: str, name: str) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize("text", ["", "/", "a", "-ab", "a/b", "a b", "é1", "a" * 129, "ab\n"])
def test_bad_names(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid container name"):
        parse_name(text)


def test_made_up_names_are_valid_and_different() -> None:
    names = {made_up_name(number) for number in range(10_000)}
    assert len(names) == 10_000
    assert all(parse_name(name) == name for name in names)


def test_ids_are_hexadecimal_and_not_read_as_addresses() -> None:
    assert format_id(bytes(range(32))) == "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    assert is_acceptable_id("a" + "1" * 63)
    assert not is_acceptable_id("1" * 12 + "a" * 52)
    assert [is_id_prefix(text) for text in ("a1", "", "xyz", "A1", "a" * 65)] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "number"),
    [("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("9", 9), ("RTMIN", 34), ("SIGRTMIN+3", 37), ("RTMAX-1", 63)],
)
def test_signals(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "-9", "FOO", "RTMIN+99", "SIG_DFL", "²"])
def test_bad_signals(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid signal"):
        parse_signal(text)


def test_times_are_written_to_the_nanosecond() -> None:
    assert format_time(NOW + 1) == "2023-11-14T22:13:20.000000001Z"
    assert format_time(0) == format_time(None) == ZERO_TIME


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("0", None),
        ("1700000000", NOW),
        ("1700000000.5", NOW + 500_000_000),
        ("1700000000.000000001", NOW + 1),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.000000001Z", NOW + 1),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14", 1_699_920_000 * 10**9),
        ("10m", NOW - 600 * 10**9),
        ("1h30m5s", NOW - 5405 * 10**9),
    ],
)
def test_times_are_read_in_every_form(text: str, expected: int | None) -> None:
    assert parse_time(text, now_ns=NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "10x", "2023-13-01", "--5", "5m10"])
def test_bad_times(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid time"):
        parse_time(text, now_ns=NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "Less than a second"),
        (-7200, "Less than a second"),  # the clock was set back
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "About a minute"),
        (150, "2 minutes"),
        (3700, "About an hour"),
        (7300, "2 hours"),
        (3 * 86_400, "3 days"),
        (21 * 86_400, "3 weeks"),
        (100 * 86_400, "3 months"),
        (800 * 86_400, "2 years"),
    ],
)
def test_spans_in_rough_words(seconds: float, text: str) -> None:
    assert format_span(seconds) == text


def test_filters_are_read_in_both_forms() -> None:
    known = {"label", "name"}
    assert parse_filters("", known=known) == {}
    assert parse_filters('{"label":["a","b=c"]}', known=known) == {"label": ("a", "b=c")}
    assert parse_filters('{"label":{"a":true,"b":false},"name":[]}', known=known) == {"label": ("a",)}


@pytest.mark.parametrize("text", ["{", "[]", '{"colour":["red"]}', '{"label":"a"}', '{"label":[1]}'])
def test_bad_filters(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter"):
        parse_filters(text, known={"label"})


def test_labels_and_names_match() -> None:
    assert matches_labels(["a", "b=c"], {"a": "1", "b": "c"})
    assert not matches_labels(["a", "b=d"], {"a": "1", "b": "c"})
    assert matches_name(["^/la"], ["lab", "/lab"])
    assert matches_name(["["], ["a[b"])


def test_detach_keys_are_read() -> None:
    assert parse_detach_keys("") == b"\x10\x11"
    assert parse_detach_keys("ctrl-@,ctrl-_,a") == b"\x00\x1fa"
    with pytest.raises(InvalidParameter, match="unknown key"):
        parse_detach_keys("ctrl-5")


@pytest.mark.parametrize(
    ("pieces", "passed", "is_detached"),
    [
        ([b"ls\n"], b"ls\n", False),
        ([b"ls\x10\x11rest"], b"ls", True),
        ([b"ls\x10", b"\x11"], b"ls", True),
        ([b"\x10", b"a"], b"\x10a", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x10", b"\x10", b"\x11"], b"\x10", True),
    ],
)
def test_detach_keys_are_found_across_pieces(pieces: list[bytes], passed: bytes, is_detached: bool) -> None:
    scanner = DetachScanner(b"\x10\x11")
    results = [scanner.feed(piece) for piece in pieces]
    assert b"".join(data for data, _ in results) == passed
    assert results[-1][1] is is_detached


def test_no_keys_never_detach() -> None:
    assert DetachScanner(b"").feed(b"\x10\x11") == (b"\x10\x11", False)


def test_frames_have_dockers_header() -> None:
    assert frame(STDERR, b"abc") == b"\x02\0\0\0\0\0\0\x03abc"


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ([], [], set(DEFAULT)),
        (["NET_ADMIN"], ["CAP_CHOWN"], {*DEFAULT, "CAP_NET_ADMIN"} - {"CAP_CHOWN"}),
        ([], ["ALL"], set()),
        (["net_raw"], ["all"], {"CAP_NET_RAW"}),
        (["ALL"], ["SYS_ADMIN"], set(ALL) - {"CAP_SYS_ADMIN"}),
    ],
)
def test_capabilities_are_added_and_dropped(add: list[str], drop: list[str], expected: set[str]) -> None:
    assert set(effective_capabilities(add=add, drop=drop)) == expected


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="unknown capability 'FLY'"):
        effective_capabilities(add=["FLY"], drop=[])


def test_environments_merge_by_name() -> None:
    assert merge_env(["A=1", "B=2"], ["B=3", "C="], ["A"]) == ["B=3", "C="]


def test_a_name_without_a_value_is_kept_where_it_is_to_take_a_default_away() -> None:
    assert merge_env(["A=1", "B=2"], ["A"], keeps_names=True) == ["A", "B=2"]


@pytest.mark.parametrize(
    ("value", "ports"),
    [("80", {"80/tcp"}), ("53/udp", {"53/udp"}), ("7000-7002/sctp", {"7000/sctp", "7001/sctp", "7002/sctp"})],
)
def test_a_filter_of_ports_is_a_port_or_a_range(value: str, ports: set[str]) -> None:
    assert parse_ports([value], name="expose") == ports


@pytest.mark.parametrize("value", ["", "x", "90-80", "1-70000", "0:80", "80/icmp", "-5", "1-2-3"])
def test_a_filter_that_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter expose="):
        parse_ports([value], name="expose")


IMAGE = ImageConfig(architecture="amd64", entrypoint=("/entry",), cmd=("serve",), env=("A=1",), workdir="/srv", user="web")


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "args"),
    [
        (None, None, ["/entry", "serve"]),
        (None, ("other",), ["/entry", "other"]),
        (("sh",), None, ["sh"]),
        (("sh",), ("-c",), ["sh", "-c"]),
        (("",), ("true",), ["true"]),
        ((), None, ["serve"]),
    ],
    ids=["the image's", "own command", "own entry point", "both", "entry point cleared", "entry point empty"],
)
def test_commands_merge_as_dockers(entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None, args: list[str]) -> None:
    merged = merge_config(ContainerConfig(image="x", hostname="h", entrypoint=entrypoint, cmd=cmd), IMAGE)
    assert merged.args == args


def test_what_the_request_leaves_open_is_the_images() -> None:
    merged = merge_config(ContainerConfig(image="x", hostname="h", env=("A=2",), user="root"), IMAGE)
    assert (merged.env, merged.working_dir, merged.user) == ((DEFAULT_PATH, "A=2"), "/srv", "root")
