"""The product by Compose 1.29 on our own engine: it comes up, keeps its data and its secrets, and leaves nothing."""

from collections.abc import Iterator
from functools import partial

import pytest
import requests

from tests.engine.daemon import wait_until
from tests.launcher.composed import SERVICES, Composed, is_signed_in, passwords_of

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.timeout(900),  # the first one waits for base, packages and images
]
_ASK_ENGINE = """
import socket
with socket.socket(socket.AF_UNIX) as engine:
    engine.connect("/run/engine/engine.sock")
    engine.sendall(b"GET /_ping HTTP/1.0\\r\\n\\r\\n")
    print(engine.recv(15).decode())
"""


@pytest.fixture(scope="module")
def composed() -> Iterator[tuple[Composed, str]]:
    """The product and the first administrator's password; at its end nothing may be left on the host."""
    if reason := Composed.reason_against():
        pytest.skip(reason)
    product = Composed()
    try:
        product.prepare()
        product.up()
        yield product, product.first_password()
        product.compose("down", "-v", "-t", "5")
        product.engine.stop()
        wait_until(lambda: not product.engine.leftovers(), "nothing to be left", hint=lambda: str(product.engine.leftovers()))
    finally:
        product.end()


@pytest.fixture
def product(composed: tuple[Composed, str]) -> Composed:
    if not composed[0].is_running():
        composed[0].up()
    return composed[0]


@pytest.fixture
def password(composed: tuple[Composed, str]) -> str:
    return composed[1]


def test_the_sign_in_page_answers_with_its_styles_and_the_first_password_opens_it(product: Composed, password: str) -> None:
    page = requests.get(product.url, timeout=20)
    assert (page.status_code, page.url) == (200, f"{product.url}/account/login/?next=/")
    style = next(word.split('"')[1] for word in page.text.split() if "/static/app." in word and ".css" in word)
    assert requests.get(product.url + style, timeout=20).status_code == 200
    assert is_signed_in(product, product.sign_in(password))


def test_a_page_for_another_name_is_refused(product: Composed) -> None:
    assert requests.get(product.url, headers={"Host": "elsewhere.example"}, timeout=20).status_code == 400


def test_the_parts_say_that_they_are_well(product: Composed) -> None:
    for service in SERVICES:
        wait_until(partial(product.is_well, service), f"{service} to be well")


def test_the_parts_reach_what_they_need(product: Composed) -> None:
    assert product.execute("web", "python", "-c", _ASK_ENGINE) == "HTTP/1.0 200 OK"
    asked = product.execute("worker", "celery", "-A", "portal.config", "inspect", "ping", "-d", "portal@compose")
    assert "pong" in asked
    assert product.execute("redis", "ls", "/sys/class/net") == "lo"


@pytest.mark.parametrize("service", SERVICES)
def test_no_part_has_rights_that_it_does_not_need(product: Composed, service: str) -> None:
    status = product.execute(service, "cat", "/proc/self/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == [str(product.data.compose_run.stat().st_uid)] * 4
    assert (int(fields["CapBnd"], 16), fields["NoNewPrivs"].strip()) == (0, "1")
    assert product.inspect(service)["HostConfig"]["ReadonlyRootfs"]


def test_secrets_are_in_their_files_only(product: Composed) -> None:
    shown = [product.engine.request("GET", "/containers/json?all=1").body]
    shown += [product.engine.request("GET", f"/containers/product_{service}_1/json").body for service in SERVICES]
    shown += [product.engine.request("GET", f"/images/atelier/{name}/json").body for name in ("database", "portal", "redis")]
    shown += [product.engine.request("GET", f"/images/atelier/{name}/history").body for name in ("database", "portal", "redis")]
    shown += [product.compose("config").encode(), product.execute("web", "env").encode()]
    shown += [product.compose("logs").encode()]
    for secret in passwords_of(product.data):
        assert len(secret) > 40
        assert not [text for text in shown if secret.encode() in text]


def test_only_the_site_has_a_port_on_the_host(product: Composed) -> None:
    published = {
        service: [port for ports in product.inspect(service)["NetworkSettings"]["Ports"].values() for port in ports or []]
        for service in SERVICES
    }
    assert {service for service, ports in published.items() if ports} == {"web"}
    assert published["web"][0] == {"HostIp": "127.0.0.1", "HostPort": str(product.port)}


def test_up_again_changes_nothing(product: Composed, password: str) -> None:
    before, visitor = _ids(product), product.sign_in(password)
    product.up()
    assert _ids(product) == before
    assert is_signed_in(product, visitor)


def test_a_restart_of_the_site_keeps_who_is_signed_in(product: Composed, password: str) -> None:
    visitor = product.sign_in(password)
    product.compose("restart", "-t", "5", "web")
    wait_until(product.answers, "the site to answer")
    assert is_signed_in(product, visitor)


def test_the_data_outlive_the_containers(product: Composed, password: str) -> None:
    visitor = product.sign_in(password)
    product.compose("down", "-t", "5")
    assert product.engine.request("GET", "/containers/json?all=1").document == []
    product.up()
    assert product.first_password() == ""
    assert is_signed_in(product, visitor)
    assert is_signed_in(product, product.sign_in(password))


def test_down_with_volumes_leaves_nothing_and_the_next_start_is_a_first_one(product: Composed) -> None:
    product.compose("down", "-v", "-t", "5")
    assert product.engine.request("GET", "/containers/json?all=1").document == []
    assert product.engine.request("GET", "/volumes").document["Volumes"] in ([], None)
    names = [network["Name"] for network in product.engine.request("GET", "/networks").document]
    assert not [name for name in names if name.startswith("product_")]
    product.up()
    assert product.first_password() != ""


def _ids(product: Composed) -> list[str]:
    return [str(product.inspect(service)["Id"]) for service in SERVICES]
