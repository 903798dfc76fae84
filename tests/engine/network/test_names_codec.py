"""Questions and answers on the wire, well-formed and not."""

from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from engine.network import names_codec as codec
from engine.network.names_answers import is_for_nobody, local_answers
from engine.network.names_book import NamesBook, Place
from engine.network.names_budget import Budget, Pace
from engine.network.names_codec import Malformed, Question
from tests.engine.network.asking import query, said

HEADER = codec.HEADER.pack(7, 0x0100, 1, 0, 0, 0)
LABEL = b"\x02db\x00"
KIND = b"\x00\x01\x00\x01"


def question(name: str, kind: str = "A", **options: object) -> Question:
    return codec.parse_question(query(name, kind, **options))


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(HEADER[:11], None, id="less than a header"),
        pytest.param(codec.HEADER.pack(7, 0x8000, 1, 0, 0, 0) + LABEL + KIND, None, id="an answer"),
        pytest.param(HEADER + LABEL + KIND + bytes(4096), None, id="too long"),
        pytest.param(HEADER, dns.rcode.FORMERR, id="no question where one is promised"),
        pytest.param(HEADER + LABEL, dns.rcode.FORMERR, id="half a question"),
        pytest.param(HEADER + b"\x3fdb\x00" + KIND, dns.rcode.FORMERR, id="a label that is longer than the message"),
        pytest.param(HEADER + b"\xc0\x0c" + KIND, dns.rcode.FORMERR, id="a name that points to itself"),
        pytest.param(HEADER + b"\x80db\x00" + KIND, dns.rcode.FORMERR, id="a label of no known kind"),
        pytest.param(HEADER + b"\x01a" * 130 + b"\x00" + KIND, dns.rcode.FORMERR, id="a name of over 255 bytes"),
        pytest.param(HEADER + LABEL + KIND + b"rest", dns.rcode.FORMERR, id="something behind the end"),
        pytest.param(codec.HEADER.pack(7, 0x0100, 0, 0, 0, 0), dns.rcode.FORMERR, id="no question"),
        pytest.param(codec.HEADER.pack(7, 0x0100, 2, 0, 0, 0) + (LABEL + KIND) * 2, dns.rcode.FORMERR, id="two questions"),
        pytest.param(codec.HEADER.pack(7, 0x2800, 1, 0, 0, 0) + LABEL + KIND, dns.rcode.NOTIMP, id="an update"),
    ],
)
def test_what_is_no_question_is_refused_or_met_with_silence(wire: bytes, rcode: int | None) -> None:
    with pytest.raises(Malformed) as caught:
        codec.parse_question(wire)
    answer = caught.value.answer
    assert (codec.rcode_of(answer) if answer else None) == rcode
    assert answer[:2] in (b"", b"\x00\x07")


def test_a_name_is_read_in_lower_case_and_its_question_kept_as_it_came() -> None:
    asked = question("DB.One")
    assert (asked.name, asked.is_address, asked.is_ipv6) == ("db.one", True, False)
    assert asked.section == b"\x02DB\x03One\x00" + KIND
    assert question("").name == ""


@pytest.mark.parametrize(
    ("options", "longest"),
    [({}, 512), ({"use_edns": 0, "payload": 1232}, 1232), ({"use_edns": 0, "payload": 100}, 512), ({"payload": 65_535}, 4096)],
)
def test_an_answer_by_udp_is_as_long_as_the_asker_takes(options: dict[str, Any], longest: int) -> None:
    assert question("db", **options).longest_udp_bytes == longest


def test_an_answer_that_is_too_long_is_cut_to_a_word_to_ask_by_tcp() -> None:
    asked = question("db")
    whole = codec.answer_addresses(asked, [f"10.0.0.{number}" for number in range(1, 60)])
    cut = dns.message.from_wire(codec.fit_udp(whole, asked))
    assert cut.flags & dns.flags.TC
    assert (cut.answer, len(cut.question)) == ([], 1)
    wide = question("db", use_edns=0, payload=4096)
    answer = dns.message.from_wire(codec.fit_udp(codec.answer_addresses(wide, ["10.0.0.1"]), wide))
    assert (answer.edns, bool(answer.flags & dns.flags.TC)) == (0, False)


@pytest.mark.parametrize(
    ("changed", "is_answer"),
    [
        pytest.param(lambda wire: wire, True, id="the answer"),
        pytest.param(lambda wire: wire.replace(b"\x02db", b"\x02DB"), True, id="with another case"),
        pytest.param(lambda wire: b"\x00\x00" + wire[2:], False, id="under another id"),
        pytest.param(lambda wire: wire[:2] + b"\x01" + wire[3:], False, id="that is a question"),
        pytest.param(lambda wire: wire.replace(b"\x02db", b"\x02dc"), False, id="to another question"),
        pytest.param(lambda wire: wire.replace(KIND, b"\x00\x1c\x00\x01"), False, id="to another kind of question"),
        pytest.param(lambda wire: wire[:14], False, id="cut off"),
        pytest.param(lambda _: b"", False, id="nothing"),
    ],
)
def test_only_an_answer_to_the_question_counts(changed: object, is_answer: bool) -> None:
    wire = codec.with_number(query("db"), 0x4D2)
    asked = codec.parse_question(wire)
    assert codec.is_answer_to(changed(said(wire, "10.0.0.1")), 0x4D2, asked) is is_answer  # type: ignore[operator]  # a function


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("2.0.18.172.in-addr.arpa", "172.18.0.2"),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "fd00::1"),
        ("db", ""),
        ("in-addr.arpa", ""),
        ("999.0.18.172.in-addr.arpa", ""),
    ],
)
def test_a_reverse_name_says_an_address(name: str, address: str) -> None:
    assert codec.address_of_reverse_name(name) == address


@pytest.fixture
def book() -> NamesBook:
    made = NamesBook()
    for number in range(1, 4):
        made.put(f"db{number}", [Place("one", "one", (f"10.0.0.{number}",), (f"db{number}", "db"))])
    return made


@pytest.mark.parametrize(
    ("name", "kind", "outcome"),
    [
        ("db1", "A", ["10.0.0.1"]),
        ("db1", "AAAA", ["NOERROR"]),
        ("db1", "MX", ["NOERROR"]),
        ("3.0.0.10.in-addr.arpa", "PTR", ["db3.one."]),
        ("nosuch", "A", None),
        ("9.0.0.10.in-addr.arpa", "PTR", None),
        ("db1", "PTR", None),
    ],
)
def test_what_the_networks_know_is_answered_here(book: NamesBook, name: str, kind: str, outcome: list[str] | None) -> None:
    answers = local_answers(book, "db2", question(name, kind))
    assert (None if answers is None else [_told(answer) for answer in answers]) == outcome


def test_containers_of_one_name_take_turns_at_standing_first(book: NamesBook) -> None:
    answers = local_answers(book, "db2", question("db")) or []
    orders = [[record.to_text() for record in dns.message.from_wire(answer).answer[0]] for answer in answers]
    assert {order[0] for order in orders} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert all(len(order) == 3 for order in orders)


def _told(answer: bytes) -> str:
    message = dns.message.from_wire(answer)
    found = [record.to_text() for records in message.answer for record in records]
    return " ".join(found) or dns.rcode.to_text(message.rcode())


@pytest.mark.parametrize(("name", "is_nobody_s"), [("nosuch", True), ("nosuch.example", False), (".", False)])
def test_a_name_of_one_label_is_for_nobody_outside(name: str, is_nobody_s: bool) -> None:
    assert is_for_nobody(question(name)) is is_nobody_s


def test_who_works_more_than_its_share_rests_until_it_has_come_back() -> None:
    budget = Budget(0.0)
    assert budget.spend(0.1, 0.0) == 0
    rest = budget.spend(0.3, 0.0)
    assert rest == pytest.approx(1.0)
    assert budget.spend(0.0, rest) == pytest.approx(0.0)
    assert budget.spend(0.1, 1000.0) == 0


def test_questions_put_to_others_are_so_many_at_once_and_then_as_many_as_time_allows() -> None:
    pace = Pace(now=10.0)
    assert sum(pace.take(10.0) for _ in range(60_000)) == 2000
    assert sum(pace.take(11.0) for _ in range(60_000)) == 200
    assert sum(pace.take(1000.0) for _ in range(60_000)) == 2000


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["y" * 60] * 5)], ids=["an empty part", "a long part", "long"])
def test_an_address_whose_name_the_dns_cannot_write_has_none(name: str) -> None:
    book = NamesBook()
    book.put("one", [Place("n1", "net", ("172.18.0.2",), (name,))])
    answers = local_answers(book, "one", question("2.0.18.172.in-addr.arpa", "PTR"))
    assert answers is not None
    found = dns.message.from_wire(answers[0])
    assert (found.rcode(), found.answer) == (dns.rcode.NOERROR, [])
