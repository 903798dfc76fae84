"""Registries as data: credentials in headers, names of Docker Hub, what the settings allow, and what registries answer."""

import json
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.address_kinds import AddressKind, is_loopback_host, kind_of, may_lead_to
from engine.core.registries import (
    Credentials,
    RegistrySettings,
    domain_of_server,
    host_of,
    normalise_domain,
    parse_auth_header,
    parse_config_header,
    path_on,
)
from engine.core.registry_answers import (
    Challenge,
    parse_challenge,
    parse_content_range,
    parse_errors,
    parse_next_link,
    parse_retry_after,
    shown,
)
from engine.errors import InvalidParameter

DOCUMENT = {"username": "ada", "password": "p?>~ü", "serveraddress": "https://index.docker.io/v1/"}
RAW = json.dumps(DOCUMENT, ensure_ascii=False).encode()
ADA = Credentials("ada", "p?>~ü", server_address="https://index.docker.io/v1/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(urlsafe_b64encode(RAW).decode(), ADA, id="the alphabet for addresses"),
        pytest.param(b64encode(RAW).decode(), ADA, id="the standard alphabet"),
        pytest.param(b64encode(RAW).decode().rstrip("="), ADA, id="without padding"),
        pytest.param("", None, id="nothing"),
        pytest.param("e30=", None, id="an empty object"),
        pytest.param("bnVsbA==", None, id="null"),
        pytest.param(b64encode(b'{"identitytoken":"x"}').decode(), Credentials(identity_token="x"), id="an identity token"),
        pytest.param(b64encode(b'{"registrytoken":"x"}').decode(), Credentials(registry_token="x"), id="a registry token"),
        pytest.param(
            b64encode(b'{"auth":"YWRhOnNlY3JldA=="}').decode(), Credentials("ada", "secret"), id="as in the client's file"
        ),
        pytest.param(b64encode(b'{"Username":"a","Password":"b"}').decode(), Credentials("a", "b"), id="names in another case"),
        pytest.param(b64encode(b'{"username":"a","email":null,"more":[1]}').decode(), Credentials("a"), id="unknown fields"),
    ],
)
def test_an_auth_header_is_read(text: str, expected: Credentials | None) -> None:
    assert parse_auth_header(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "!!!",
        "eyJ1c2Vy",
        b64encode(b"[1]").decode(),
        b64encode(b'"text"').decode(),
        b64encode(b'{"username": 7}').decode(),
        b64encode(b'{"username": "a\\r\\nX: y"}').decode(),
        b64encode(b'{"auth": "bm9jb2xvbg=="}').decode(),
        b64encode(b"[" * 40_000).decode(),
        "A" * 70_000,
        "\xff\xfe",
    ],
    ids=lambda text: text[:16],
)
def test_a_malformed_auth_header_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_auth_header(text)
    assert len(caught.value.message) < 120


def test_a_builds_header_has_credentials_for_each_registry() -> None:
    document = {
        "https://index.docker.io/v1/": {"username": "a", "password": "b"},
        "Reg.example:5000": {"identitytoken": "t"},
        "x": {},
    }
    assert parse_config_header(urlsafe_b64encode(json.dumps(document).encode()).decode()) == {
        "docker.io": Credentials("a", "b"),
        "reg.example:5000": Credentials(identity_token="t"),
    }
    with pytest.raises(InvalidParameter):
        parse_config_header(b64encode(b'{"x": "y"}').decode())


def test_secrets_do_not_show() -> None:
    text = repr(Credentials("ada", "hidden", "hidden", "hidden"))
    assert "ada" in text
    assert "hidden" not in text


@given(st.text(max_size=200))
def test_any_header_is_read_or_refused(text: str) -> None:
    for parse in (parse_auth_header, parse_config_header):
        try:
            parse(text)
        except InvalidParameter as error:
            assert error.message


@pytest.mark.parametrize(
    ("domain", "normal", "host", "path"),
    [
        ("", "docker.io", "registry-1.docker.io", "library/app"),
        ("docker.io", "docker.io", "registry-1.docker.io", "library/app"),
        ("index.docker.io", "docker.io", "registry-1.docker.io", "library/app"),
        ("Registry.Example:5000", "registry.example:5000", "registry.example:5000", "app"),
    ],
)
def test_names_of_registries_lead_to_hosts(domain: str, normal: str, host: str, path: str) -> None:
    assert normalise_domain(domain) == normal
    assert host_of(normal) == host
    assert path_on(normal, "app") == path
    assert path_on(normal, "team/app") == "team/app"


@pytest.mark.parametrize(
    ("server", "domain"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("", "docker.io"),
        ("registry.example", "registry.example"),
        ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000"),
    ],
)
def test_an_address_to_sign_in_at_leads_to_a_registry(server: str, domain: str) -> None:
    assert domain_of_server(server) == domain


@pytest.mark.parametrize(
    ("host", "port", "is_insecure"),
    [
        ("old.example", 80, True),
        ("OLD.example", 5000, True),
        ("new.example", 5000, True),
        ("new.example", 443, False),
        ("10.1.2.3", 443, True),
        ("[fd00::1]", 443, True),
        ("11.1.2.3", 443, False),
        ("example", 443, False),
    ],
)
def test_settings_say_which_registries_may_be_insecure(host: str, port: int, is_insecure: bool) -> None:
    settings = RegistrySettings(insecure=("old.example", "new.example:5000", "10.0.0.0/8", "fd00::/8", "not a network"))
    assert settings.is_insecure(host, port) is is_insecure


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", AddressKind.PUBLIC),
        ("2606:4700::1111", AddressKind.PUBLIC),
        ("10.0.0.1", AddressKind.PRIVATE),
        ("172.30.1.2", AddressKind.PRIVATE),
        ("192.168.0.1", AddressKind.PRIVATE),
        ("100.64.0.1", AddressKind.PRIVATE),
        ("fd12::1", AddressKind.PRIVATE),
        ("198.18.0.1", AddressKind.PRIVATE),
        ("127.0.0.1", AddressKind.LOOPBACK),
        ("127.9.9.9", AddressKind.LOOPBACK),
        ("::1", AddressKind.LOOPBACK),
        ("::ffff:127.0.0.1", AddressKind.LOOPBACK),
        ("::ffff:10.0.0.1", AddressKind.PRIVATE),
        ("2002:7f00:1::", AddressKind.LOOPBACK),
        ("64:ff9b::7f00:1", AddressKind.LOOPBACK),
        ("64:ff9b::a9fe:a9fe", AddressKind.FORBIDDEN),
        ("64:ff9b:1::7f00:1", AddressKind.PRIVATE),
        ("::127.0.0.1", AddressKind.LOOPBACK),
        ("fec0::1", AddressKind.PRIVATE),
        ("0.0.0.0", AddressKind.FORBIDDEN),
        ("0.1.2.3", AddressKind.FORBIDDEN),
        ("::", AddressKind.FORBIDDEN),
        ("169.254.169.254", AddressKind.FORBIDDEN),
        ("fe80::1%eth0", AddressKind.FORBIDDEN),
        ("224.0.0.1", AddressKind.FORBIDDEN),
        ("255.255.255.255", AddressKind.FORBIDDEN),
        ("168.63.129.16", AddressKind.FORBIDDEN),
        ("100.100.100.200", AddressKind.FORBIDDEN),
        ("fd00:ec2::254", AddressKind.FORBIDDEN),
        ("no address", AddressKind.FORBIDDEN),
    ],
)
def test_an_address_lies_somewhere(address: str, kind: AddressKind) -> None:
    assert kind_of(address) is kind


def test_only_what_is_written_as_loopback_is_loopback() -> None:
    assert all(map(is_loopback_host, ("localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "[::1]")))
    assert not any(map(is_loopback_host, ("localhost.example", "127.0.0.1.example", "10.0.0.1", "", "0.0.0.0")))


@pytest.mark.parametrize(
    ("registry", "trusted", "untrusted"),
    [
        (AddressKind.PUBLIC, {AddressKind.PUBLIC}, {AddressKind.PUBLIC}),
        (AddressKind.PRIVATE, {AddressKind.PUBLIC, AddressKind.PRIVATE}, {AddressKind.PUBLIC, AddressKind.PRIVATE}),
        (
            AddressKind.LOOPBACK,
            {AddressKind.PUBLIC, AddressKind.PRIVATE, AddressKind.LOOPBACK},
            {AddressKind.PUBLIC, AddressKind.PRIVATE},
        ),
    ],
)
def test_a_registry_leads_no_nearer_than_it_lies(
    registry: AddressKind, trusted: set[AddressKind], untrusted: set[AddressKind]
) -> None:
    for is_trusted, expected in ((True, trusted), (False, untrusted)):
        assert {kind for kind in AddressKind if may_lead_to(kind, registry=registry, is_trusted=is_trusted)} == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push"'],
            Challenge(
                "bearer", {"realm": "https://auth.example/token", "service": "r.example", "scope": "repository:a/b:pull,push"}
            ),
        ),
        (['basic Realm="my \\"own\\" place"'], Challenge("basic", {"realm": 'my "own" place'})),
        (["Basic realm=x", 'BEARER realm="y"'], Challenge("bearer", {"realm": "y"})),
        (["Bearer service=z", "Basic"], Challenge("basic", {})),
        (["Negotiate abc", "", "???", "Bearer"], None),
        ([], None),
    ],
)
def test_a_challenge_is_read(headers: list[str], expected: Challenge | None) -> None:
    assert parse_challenge(headers) == expected


@given(st.lists(st.text(max_size=300), max_size=3))
def test_any_challenge_is_read_or_passed_over(headers: list[str]) -> None:
    parse_challenge(headers)
    parse_next_link(headers)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "manifest unknown: manifest unknown"),
        (b'{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}', "denied: no; x"),
        (b'{"details":"incorrect username or password"}', "incorrect username or password"),
        (b'{"errors":[]}', "status 418"),
        (b'{"errors":7}', "status 418"),
        (b'{"errors":["x"]}', "status 418"),
        (b"[]", "status 418"),
        (b"<html>", "status 418"),
        (b"[" * 50_000, "status 418"),
        (b'{"errors":[{"code":"A","message":"\\u001b[2J\\n"}]}', "a: ?[2J?"),
    ],
)
def test_a_refusal_is_read(raw: bytes, text: str) -> None:
    assert parse_errors(raw, status=418).text == text


def test_a_strangers_text_is_cut_and_kept_to_one_line() -> None:
    assert shown("a\x1b[0m\r\nb\u202e") == "a?[0m??b?"
    assert shown("x" * 1000, 10) == "x" * 10 + "…"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("1e9", None),
        ("9" * 50, None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_a_wish_to_wait_is_read(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, now=datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("text", "start"), [("bytes 5-9/10", 5), ("bytes 0-1/*", 0), ("bytes */10", None), ("items 5-9/10", None), ("", None)]
)
def test_a_part_of_a_body_says_where_it_begins(text: str, start: int | None) -> None:
    assert parse_content_range(text) == start


def test_the_next_page_is_found() -> None:
    assert parse_next_link(['</v2/_catalog?last=x&n=10>; rel="next"']) == "/v2/_catalog?last=x&n=10"
    assert parse_next_link(['</first>; rel="first"']) == ""
