"""Rows of the page of workloads, from what the engine lists."""

from typing import Any

import pytest
from django.template.loader import render_to_string

from portal.workloads.rows import LabLink, list_rows

CONTAINER: dict[str, Any] = {
    "Id": "ab" * 32,
    "Names": ["/web"],
    "Image": "nginx",
    "Created": 1_800_000_000,
    "State": "running",
    "Ports": [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 443, "Type": "tcp"},
    ],
    "Atelier": {"Tenant": "demo/ada"},
}


def test_a_container_tells_its_image_and_what_it_publishes_once() -> None:
    (row,) = list_rows("containers", [CONTAINER], viewer="demo/ada", labs={})
    assert (row.name, row.facts, row.owner, row.verbs) == ("web", ("nginx", "8080→80/tcp"), "", ("stop", "remove"))


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        ("running", ("stop", "remove")),
        ("paused", ("stop", "remove")),
        ("exited", ("start", "remove")),
        ("created", ("start", "remove")),
    ],
)
def test_what_may_be_asked_follows_from_the_state(state: str, verbs: tuple[str, ...]) -> None:
    (row,) = list_rows("containers", [{**CONTAINER, "State": state}], viewer="demo/ada", labs={})
    assert row.verbs == verbs


def test_a_labs_container_is_left_to_its_lab() -> None:
    link = LabLink(name="Shell", url="/labs/1/")
    (row,) = list_rows("containers", [CONTAINER], viewer="demo", labs={("demo/ada", CONTAINER["Id"]): link})
    assert (row.lab, row.verbs, row.owner) == (link, (), "ada")


@pytest.mark.parametrize(("owner", "words"), [("demo/ada", "ada"), ("demo", ""), ("", "for all")])
def test_the_owner_is_told_where_it_is_not_who_looks(owner: str, words: str) -> None:
    (row,) = list_rows("volumes", [{"Name": "data", "Atelier": {"Tenant": owner}}], viewer="demo", labs={})
    assert row.owner == words
    assert bool(row.verbs) == bool(owner)


def test_an_image_without_a_name_is_called_by_its_id_and_one_with_two_by_both() -> None:
    base: dict[str, Any] = {"Id": f"sha256:{'cd' * 32}", "Size": 1024, "Created": 0, "Atelier": {"Tenant": "demo/ada"}}
    names = [["<none>:<none>"], [], ["a:1", "b:2"]]
    rows = list_rows("images", [{**base, "RepoTags": tags} for tags in names], viewer="demo/ada", labs={})
    assert [row.name for row in rows] == ["cdcdcdcdcdcd", "cdcdcdcdcdcd", "a:1, b:2"]


def test_networks_that_are_always_there_cannot_be_removed() -> None:
    base: dict[str, Any] = {"Id": "ef" * 32, "Driver": "bridge", "Created": "", "Atelier": {"Tenant": "demo/ada"}}
    rows = list_rows("networks", [{**base, "Name": "bridge"}, {**base, "Name": "own"}], viewer="demo/ada", labs={})
    assert [bool(row.verbs) for row in rows] == [False, True]


def test_names_are_shown_as_text() -> None:
    (row,) = list_rows("containers", [{**CONTAINER, "Image": "<script>x</script>"}], viewer="demo/ada", labs={})
    html = render_to_string("workloads/_row.html", {"row": row})
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
