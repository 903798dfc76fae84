"""Which name means which addresses for whom."""

import pytest

from engine.network.names_book import NamesBook, Place


def place(network: str, address: str, *names: str, **links: str) -> Place:
    return Place(f"id-of-{network}", network, (address,), names, links)


@pytest.fixture
def book() -> NamesBook:
    """``web`` is on two networks, ``db`` and ``db2`` share an alias, ``far`` is on a network of its own."""
    made = NamesBook()
    made.put("web", [place("one", "10.0.1.1", "web"), place("two.x", "10.0.2.1", "web", base="db")])
    made.put("db", [place("one", "10.0.1.2", "db", "store"), place("two.x", "10.0.2.2", "db")])
    made.put("db2", [place("one", "10.0.1.3", "db2", "store", "a.b")])
    made.put("far", [Place("id-of-three", "three", ("10.0.3.1", "fd00::1"), ("far",))])
    return made


@pytest.mark.parametrize(
    ("asker", "name", "addresses"),
    [
        pytest.param("web", "db", ("10.0.1.2",), id="the first network that knows it"),
        pytest.param("web", "store", ("10.0.1.2", "10.0.1.3"), id="a shared alias"),
        pytest.param("web", "web", ("10.0.1.1",), id="itself"),
        pytest.param("web", "db.one", ("10.0.1.2",), id="on a network by name"),
        pytest.param("web", "db.two.x", ("10.0.2.2",), id="on a network with a dot in its name"),
        pytest.param("web", "a.b", ("10.0.1.3",), id="an alias with a dot"),
        pytest.param("web", "a.b.one", ("10.0.1.3",), id="an alias with a dot on a network"),
        pytest.param("web", "base", ("10.0.2.2",), id="a link"),
        pytest.param("web", "base.two.x", ("10.0.2.2",), id="a link on its network"),
        pytest.param("web", "base.one", None, id="a link on another network"),
        pytest.param("db", "base", None, id="a link of another"),
        pytest.param("web", "far", None, id="on a network that the asker is not on"),
        pytest.param("web", "far.three", None, id="the same by its network"),
        pytest.param("far", "db", None, id="the other way round"),
        pytest.param("web", "", None, id="nothing"),
        pytest.param("web", ".", None, id="a dot"),
        pytest.param("nobody", "db", None, id="an asker that is on no network"),
    ],
)
def test_a_name_means_what_the_asker_s_networks_know(
    book: NamesBook, asker: str, name: str, addresses: tuple[str, ...] | None
) -> None:
    found = book.find(asker, name)
    assert (found.addresses if found else None) == addresses


def test_addresses_are_of_one_kind(book: NamesBook) -> None:
    found = book.find("far", "far")
    assert found is not None
    assert (found.of_kind(is_ipv6=False), found.of_kind(is_ipv6=True)) == (("10.0.3.1",), ("fd00::1",))


@pytest.mark.parametrize(
    ("asker", "address", "name"),
    [("web", "10.0.2.2", "db.two.x"), ("db2", "10.0.1.2", "db.one"), ("db2", "10.0.2.2", ""), ("far", "fd00::1", "far.three")],
)
def test_an_address_has_the_container_s_first_name_on_the_asker_s_networks(
    book: NamesBook, asker: str, address: str, name: str
) -> None:
    assert book.find_address(asker, address) == name


def test_who_leaves_takes_names_along_and_others_keep_theirs(book: NamesBook) -> None:
    assert book.remove("db") == {"id-of-one", "id-of-two.x"}
    assert book.find("web", "db") is None
    assert book.find_address("web", "10.0.1.2") == ""
    store = book.find("web", "store")
    assert store is not None
    assert store.addresses == ("10.0.1.3",)


def test_who_comes_to_a_network_again_has_its_new_names_only(book: NamesBook) -> None:
    assert book.put("db2", [place("two.x", "10.0.2.3", "other")]) == {"id-of-one", "id-of-two.x"}
    assert book.find("web", "db2") is None
    other = book.find("web", "other")
    assert other is not None
    assert other.addresses == ("10.0.2.3",)


def test_a_link_hides_the_name_of_another_on_its_network(book: NamesBook) -> None:
    book.put("web", [place("one", "10.0.1.1", "web", db="db2")])
    found = book.find("web", "db")
    assert found is not None
    assert found.addresses == ("10.0.1.3",)
