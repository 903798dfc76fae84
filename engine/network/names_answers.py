"""What the resolver can say by itself: names and addresses of the asker's networks, and what certainly exists nowhere."""

import dns.rcode
import dns.rdatatype

from engine.network import names_codec as codec
from engine.network.names_book import Addresses, NamesBook
from engine.network.names_codec import Question

_MOST_ORDERS = 8


def local_answers(book: NamesBook, container_id: str, question: Question) -> list[bytes] | None:
    """Return answers to give in turn, each for TCP; None when it is for others to answer."""
    if question.kind == dns.rdatatype.PTR:
        return _reverse(book, container_id, question)
    known = book.find(container_id, question.name)
    if known is None:
        return None
    wanted = known.of_kind(is_ipv6=question.is_ipv6) if question.is_address else ()
    return [codec.answer_addresses(question, order) for order in _orders(wanted)] or [
        codec.answer_rcode(question, dns.rcode.NOERROR)
    ]


def _reverse(book: NamesBook, container_id: str, question: Question) -> list[bytes] | None:
    address = codec.address_of_reverse_name(question.name)
    name = book.find_address(container_id, address) if address else ""
    return [codec.answer_name(question, name)] if name else None


def _orders(addresses: Addresses) -> list[Addresses]:
    """Containers of one name take turns at standing first."""
    step = -(-len(addresses) // _MOST_ORDERS) or 1
    return [addresses[start:] + addresses[:start] for start in range(0, len(addresses), step)]


def is_for_nobody(question: Question) -> bool:
    """A name of one label that no network knows: nobody outside is asked, as it could only be a container's."""
    return bool(question.name) and "." not in question.name
