"""Questions and answers of the DNS on the wire, by dnspython. Pure.

Every message that comes in is hostile until it has been read here.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

LONGEST_QUERY_BYTES = 4096
LONGEST_ANSWER_BYTES = 65_535
HEADER = struct.Struct("!HHHHHH")  # id, flags, and the counts of questions, answers, authorities, additionals
# Short, as names follow containers: who keeps an answer would talk to one that is gone.
_TTL_SECONDS = 5
_PLAIN_BYTES = 512
_MOST_UDP_BYTES = 4096
_RESPONSE, _OPERATION, _TRUNCATED = 0x8000, 0x7800, 0x0200
_KIND_AND_CLASS_BYTES = 4


class Malformed(Exception):
    """No question that could be answered; ``answer`` says so to whoever asks, empty for silence."""

    def __init__(self, answer: bytes = b"") -> None:
        super().__init__("malformed query")
        self.answer = answer


class Question(NamedTuple):
    """What is asked. ``name`` is in lower case without the last dot; ``section`` are the question's bytes."""

    message: dns.message.QueryMessage
    name: str
    kind: int
    section: bytes

    @property
    def is_address(self) -> bool:
        return self.kind in (dns.rdatatype.A, dns.rdatatype.AAAA)

    @property
    def is_ipv6(self) -> bool:
        return self.kind == dns.rdatatype.AAAA

    @property
    def longest_udp_bytes(self) -> int:
        """How long an answer by UDP may be."""
        offered = self.message.payload if self.message.edns >= 0 else _PLAIN_BYTES
        return min(max(offered, _PLAIN_BYTES), _MOST_UDP_BYTES)


def parse_question(wire: bytes) -> Question:
    """Read a query of one question. Raises Malformed."""
    flags = HEADER.unpack_from(wire)[1] if HEADER.size <= len(wire) <= LONGEST_QUERY_BYTES else _RESPONSE
    if flags & _RESPONSE:
        raise Malformed
    if flags & _OPERATION:
        raise Malformed(_bare_answer(wire, dns.rcode.NOTIMP))
    try:
        message = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, struct.error):
        raise Malformed(_bare_answer(wire, dns.rcode.FORMERR)) from None
    if not isinstance(message, dns.message.QueryMessage) or len(message.question) != 1:
        raise Malformed(_bare_answer(wire, dns.rcode.FORMERR))
    asked = message.question[0]
    name = "" if asked.name == dns.name.root else asked.name.to_text(omit_final_dot=True).lower()
    length = sum(len(label) + 1 for label in asked.name.labels) + _KIND_AND_CLASS_BYTES
    return Question(message, name, int(asked.rdtype), wire[HEADER.size : HEADER.size + length])


def _bare_answer(wire: bytes, rcode: int) -> bytes:
    """The header alone, with the id and what was wanted of the query."""
    number, flags, *_ = HEADER.unpack_from(wire)
    return HEADER.pack(number, _RESPONSE | flags & 0x7900 | rcode, 0, 0, 0, 0)


def address_of_reverse_name(name: str) -> str:
    """``2.0.18.172.in-addr.arpa`` is 172.18.0.2; empty for other names."""
    try:
        return dns.reversename.to_address(dns.name.from_text(name))
    except (dns.exception.DNSException, ValueError):
        return ""


def answer_addresses(question: Question, addresses: Sequence[str]) -> bytes:
    """Answer with addresses, which may be none. The longest form, for TCP."""
    kind = "AAAA" if question.is_ipv6 else "A"
    # Each in a set of its own: dnspython shuffles what is in one.
    return _answer(question, [dns.rrset.from_text(_asked(question), _TTL_SECONDS, "IN", kind, one) for one in addresses])


def answer_name(question: Question, name: str) -> bytes:
    """Answer a reverse question; with nothing where the DNS cannot write the name, as one with a part of 64 letters."""
    try:
        text = dns.name.Name([*(label.encode() for label in name.split(".")), b""]).to_text()
    except dns.exception.DNSException:
        return answer_rcode(question, dns.rcode.NOERROR)
    return _answer(question, [dns.rrset.from_text(_asked(question), _TTL_SECONDS, "IN", "PTR", text)])


def answer_rcode(question: Question, rcode: int) -> bytes:
    """Answer with nothing but a code: NOERROR, NXDOMAIN, SERVFAIL, REFUSED."""
    return _answer(question, [], rcode)


def _asked(question: Question) -> dns.name.Name:
    return question.message.question[0].name


def _answer(question: Question, records: Sequence[dns.rrset.RRset], rcode: int = dns.rcode.NOERROR) -> bytes:
    message = dns.message.make_response(question.message, recursion_available=True, our_payload=_MOST_UDP_BYTES)
    message.set_rcode(dns.rcode.Rcode(rcode))
    message.answer.extend(records)
    return message.to_wire(max_size=LONGEST_ANSWER_BYTES)


def fit_udp(answer: bytes, question: Question) -> bytes:
    """Return the answer, or where it is too long for UDP its header and question with the mark that says: ask by TCP."""
    if len(answer) <= question.longest_udp_bytes:
        return answer
    number, flags, *_ = HEADER.unpack_from(answer)
    return HEADER.pack(number, flags | _TRUNCATED, 1, 0, 0, 0) + question.section


def is_answer_to(wire: bytes, number: int, question: Question) -> bool:
    """Tell whether a server's message answers this question, asked under this number."""
    if len(wire) < HEADER.size + len(question.section):
        return False
    found, flags, questions, *_ = HEADER.unpack_from(wire)
    section = wire[HEADER.size : HEADER.size + len(question.section)]
    return found == number and bool(flags & _RESPONSE) and questions == 1 and section.lower() == question.section.lower()


def rcode_of(wire: bytes) -> int:
    """The code in the header of an answer."""
    return int(HEADER.unpack_from(wire)[1]) & 0xF


def with_number(wire: bytes, number: int) -> bytes:
    """The same message under another id."""
    return number.to_bytes(2, "big") + wire[2:]
