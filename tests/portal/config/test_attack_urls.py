"""Strangers, outsiders and foreign sites at every address of the site."""

from collections.abc import Iterator

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.labs.models import Lab
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db

UUID = "00000000-0000-4000-8000-000000000000"
# What strangers may reach: signing in and out, the refused sign-up, forgotten passwords, the choice of a language.
OPEN = ("account/", "language/", "admin/login/", "admin/logout/", "admin/(?P<url>.*)$", "admin/jsi18n/")


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Every pattern of the site, joined."""
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from addresses(entry, route)


def filled(route: str) -> str:
    """A pattern with values for its parts."""
    values = {
        "<uuid:lab_id>": UUID,
        "<slug:slug>": "demo",
        "<path:object_id>": "1",
        "<int:content_type_id>": "1",
        "<int:request_id>": "1",
    }
    for part, value in values.items():
        route = route.replace(part, value)
    return "/" + route.removeprefix("^").removesuffix("$")


GUARDED = [route for route in addresses(get_resolver()) if not route.startswith(OPEN) and "(?P" not in route]


@pytest.mark.parametrize("route", GUARDED)
def test_strangers_are_sent_to_the_sign_in_or_turned_away(cast: Cast, client: Client, route: str) -> None:
    for answer in (client.get(filled(route)), client.post(filled(route))):
        assert answer.status_code in (302, 404, 405), (route, answer.status_code)
        if answer.status_code == 302:
            assert answer["Location"].startswith((reverse("account_login"), reverse("admin:login")))


@pytest.mark.parametrize("route", [route for route in GUARDED if route.startswith("admin/")])
@pytest.mark.parametrize("name", ["ada", "grace"])
def test_the_administrators_pages_are_closed_to_all_others(cast: Cast, route: str, name: str) -> None:
    browser = cast.client(getattr(cast, name))
    for answer in (browser.get(filled(route)), browser.post(filled(route))):
        assert answer.status_code in (302, 403, 404, 405), (route, answer.status_code)


def test_the_administrators_own_sign_in_counts_failures_like_the_other_one(client: Client) -> None:
    answer = client.post(reverse("admin:login"), {"username": "root", "password": "guess"})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("account_login"))
    assert SESSION_KEY not in client.session


def test_guessing_a_password_ends_after_some_attempts(cast: Cast, client: Client) -> None:
    for _ in range(20):
        client.post(reverse("account_login"), {"login": "ada", "password": "guess"})
    client.post(reverse("account_login"), {"login": "ada", "password": "ada-secret-1"})
    assert SESSION_KEY not in client.session


def test_nobody_makes_an_account_for_themselves(client: Client) -> None:
    fields = {"username": "eve", "password1": "a-long-secret-7", "password2": "a-long-secret-7"}
    assert client.post(reverse("account_signup"), fields).status_code in (200, 403)
    assert SESSION_KEY not in client.session


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "javascript:alert(1)", "http:///x"]
)
def test_signing_in_leads_to_this_site_only(cast: Cast, client: Client, target: str) -> None:
    fields = {"login": "ada", "password": "ada-secret-1", "next": target}
    assert client.post(reverse("account_login"), fields)["Location"] == reverse("labs:list")
    assert client.post(reverse("set_language"), {"language": "fr", "next": target})["Location"] == "/"
    assert client.post(reverse("account_logout"), {"next": target})["Location"] == reverse("account_login")


def test_a_session_gets_a_new_name_at_the_sign_in(cast: Cast, client: Client) -> None:
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.post(reverse("account_login"), {"login": "ada", "password": "ada-secret-1"})
    assert SESSION_KEY in client.session
    assert client.session.session_key != planted


@pytest.mark.parametrize("name", ["labs:launch", "labs:start", "labs:stop", "labs:remove", "labs:build", "account_logout"])
def test_no_change_without_the_token_of_the_form(cast: Cast, name: str) -> None:
    lab = cast.launch()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    argument = {"labs:launch": ["shell"], "labs:build": ["shell"], "account_logout": []}.get(name, [lab.uuid])
    assert browser.post(reverse(name, args=argument)).status_code == 403
    assert Lab.objects.count() == 1


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7|add:7 }}"


def test_names_and_errors_are_shown_as_text(cast: Cast) -> None:
    cast.ada.first_name = HOSTILE[:100]
    cast.ada.save()
    cast.team.name = cast.template.name = HOSTILE[:80]
    cast.template.description = HOSTILE
    cast.team.save()
    cast.template.save()
    lab = cast.launch()
    Lab.objects.update(message=HOSTILE, error_kind=HOSTILE[:40], state="failed")
    lab.refresh_from_db()
    lab.team.refresh_from_db()
    for person in (cast.ada, cast.grace, cast.admin):
        browser = cast.client(person)
        for address in (
            reverse("labs:list"),
            lab.get_absolute_url(),
            reverse("jobs:list"),
            reverse("teams:list"),
            reverse("teams:detail", args=["demo"]),
        ):
            page = browser.get(address).content.decode()
            assert "<script>alert" not in page, address
            assert "<img src=x" not in page, address


def test_a_client_cannot_add_to_what_a_job_does(cast: Cast) -> None:
    fields = {
        "team": "demo",
        "image": "evil",
        "command": "[]",
        "cpus": "64",
        "memory_bytes": "1",
        "tenant": "other/root",
        "host": "x",
    }
    cast.client(cast.ada).post(reverse("labs:launch", args=["shell"]), fields)
    job = cast.ada.jobs.get()
    assert (job.tenant, job.parameters["image"], job.parameters["cpus"]) == ("demo/ada", "atelier/shell:latest", 0.5)
    assert job.parameters["memory_bytes"] == 2**27


@pytest.mark.parametrize(("page", "field", "attribute"), [("accounts_user", "username", "ada"), ("teams_team", "slug", "team")])
def test_names_that_own_labs_are_given_once(cast: Cast, page: str, field: str, attribute: str) -> None:
    form = cast.client(cast.admin).get(reverse(f"admin:{page}_change", args=[getattr(cast, attribute).pk]))
    assert field not in form.context["adminform"].form.fields
    assert field in cast.client(cast.admin).get(reverse(f"admin:{page}_add")).context["adminform"].form.fields
