"""A container's /etc/resolv.conf follows the host's, without what only the host can reach."""

import pytest

from engine.core.resolv import FALLBACK_NAMESERVERS, embedded_resolv_conf, parse_resolv, resolv_conf

HOST = """\
# made by hand
nameserver 127.0.0.53
nameserver 192.0.2.53
nameserver fe80::1%eth0
search campus.test lab.test
options edns0 ndots:2
"""


def test_the_hosts_values_are_taken_over() -> None:
    assert resolv_conf(HOST) == "nameserver 192.0.2.53\nsearch campus.test lab.test\noptions edns0 ndots:2\n"


@pytest.mark.parametrize("text", ["", "nameserver 127.0.0.53", "nameserver ::1", "nameserver 0.0.0.0", "nameserver nonsense"])
def test_a_host_without_a_reachable_resolver_gets_the_fallback(text: str) -> None:
    assert resolv_conf(text) == "".join(f"nameserver {address}\n" for address in FALLBACK_NAMESERVERS)


def test_the_containers_own_values_win() -> None:
    text = resolv_conf(HOST, nameservers=["10.0.0.53"], search=["own.test"], options=["timeout:1"])
    assert text == "nameserver 10.0.0.53\nsearch own.test\noptions timeout:1\n"


def test_a_dot_means_no_search_list() -> None:
    assert "search" not in resolv_conf(HOST, search=["."])


def test_the_last_of_search_and_domain_counts_and_options_add_up() -> None:
    parsed = parse_resolv("search a.test b.test\ndomain c.test\noptions one\noptions two\nnameserver\n")
    assert (parsed.search, parsed.options, parsed.nameservers) == (("c.test",), ("one", "two"), ())


@pytest.mark.parametrize(
    ("search", "options", "text"),
    [
        ((), (), "nameserver 127.0.0.11\nsearch host.example\noptions rotate ndots:0\n"),
        (("own.example",), (), "nameserver 127.0.0.11\nsearch own.example\noptions rotate ndots:0\n"),
        ((".",), ("timeout:1",), "nameserver 127.0.0.11\noptions timeout:1 ndots:0\n"),
        ((), ("ndots:3",), "nameserver 127.0.0.11\nsearch host.example\noptions ndots:3\n"),
    ],
)
def test_who_asks_the_engine_s_resolver_asks_for_bare_names_as_they_are(
    search: tuple[str, ...], options: tuple[str, ...], text: str
) -> None:
    host = "nameserver 127.0.0.53\nsearch host.example\noptions rotate\n"
    assert embedded_resolv_conf(host, "127.0.0.11", search=search, options=options) == text
