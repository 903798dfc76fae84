"""Addresses and names of the site."""

import socket
from pathlib import Path

import pytest

from launcher.console import LauncherError
from launcher.data_folder import DataFolder
from launcher.site import Site, check_port_is_free, site_names


def site_at(bind: str, port: int = 8000) -> Site:
    return Site(DataFolder(Path("/nowhere")), bind=bind, port=port, host_name="local")


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
        ("fd00::7", "http://[fd00::7]:8000/"),
        ("labs.example.org", "http://labs.example.org:8000/"),
    ],
)
def test_the_url_printed_can_be_opened_on_this_machine(bind: str, url: str) -> None:
    assert site_at(bind).url == url


def test_a_site_on_one_address_answers_to_it_and_to_the_loopback_only() -> None:
    assert site_names(site_at("192.0.2.7")) == ["localhost", "127.0.0.1", "[::1]", "192.0.2.7"]


def test_a_site_on_all_addresses_answers_to_the_name_of_the_machine_but_not_to_any_name() -> None:
    names = site_names(site_at("0.0.0.0"))
    assert socket.gethostname() in names
    assert "*" not in names


def test_a_port_in_use_is_said_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LauncherError, match=rf"port {port} on 127.0.0.1 is in use; choose another with --port"):
            check_port_is_free(site_at("127.0.0.1", port))
    check_port_is_free(site_at("127.0.0.1", port))


def test_an_address_of_another_machine_is_said_in_one_line() -> None:
    with pytest.raises(LauncherError, match=r"cannot listen on 192\.0\.2\.7 port 8000"):
        check_port_is_free(site_at("192.0.2.7"))
