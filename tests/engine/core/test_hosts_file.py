"""A container's /etc/hosts names the loopback, what the user adds, and the container itself."""

import pytest

from engine.core.hosts import hosts_file
from engine.errors import InvalidParameter


def lines(**values: object) -> list[str]:
    return hosts_file(**values).splitlines()  # type: ignore[arg-type]  # one helper for all keywords


def test_the_own_names_point_to_the_own_address() -> None:
    assert lines(hostname="web", addresses=["172.30.0.2"])[-1] == "172.30.0.2\tweb"


def test_the_full_name_comes_first_and_no_name_twice() -> None:
    found = lines(hostname="web", domainname="lab.test", addresses=["172.30.0.2"], aliases=["web", "www"])[-1]
    assert found == "172.30.0.2\tweb.lab.test web www"


def test_a_hostname_that_is_a_full_name_has_its_short_one_beside_it() -> None:
    assert lines(hostname="web.lab.test", addresses=["172.30.0.2"])[-1] == "172.30.0.2\tweb.lab.test web"


def test_without_a_network_the_own_name_still_resolves() -> None:
    assert lines(hostname="web")[-1] == "127.0.1.1\tweb"


def test_localhost_is_there_for_both_families() -> None:
    found = lines(hostname="web")
    assert "127.0.0.1\tlocalhost" in found
    assert "::1\tlocalhost ip6-localhost ip6-loopback" in found


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param("db:10.0.0.5", "10.0.0.5\tdb", id="a colon"),
        pytest.param("db=10.0.0.5", "10.0.0.5\tdb", id="an equals sign"),
        pytest.param("db:2001:db8::5", "2001:db8::5\tdb", id="IPv6"),
        pytest.param("db:[2001:db8::5]", "2001:db8::5\tdb", id="IPv6 in brackets"),
        pytest.param("outside:host-gateway", "172.30.0.1\toutside", id="the host itself"),
    ],
)
def test_extra_hosts_are_read_as_docker_reads_them(extra: str, expected: str) -> None:
    assert expected in lines(hostname="web", gateway="172.30.0.1", extra_hosts=[extra])


@pytest.mark.parametrize(
    "extra", ["db", "db:", ":10.0.0.5", "d b:10.0.0.5", "db:nowhere", "db:10.0.0.5\n10.0.0.6 evil", "db:host-gateway"]
)
def test_an_extra_host_that_cannot_be_read_is_refused_by_name(extra: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid extra host"):
        hosts_file(hostname="web", extra_hosts=[extra])
