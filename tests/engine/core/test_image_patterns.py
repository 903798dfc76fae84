"""Patterns of image names: what they fit, and that they cost little whatever they are laid on."""

import pytest

from engine.core.image_patterns import check_pattern, fits, reaches_registry
from engine.core.references import parse_reference
from engine.errors import InvalidParameter

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        (
            "busybox",
            ["busybox", "busybox:1.36", "docker.io/busybox", "index.docker.io/library/busybox:1", f"busybox@{DIGEST}"],
            ["busyboxes", "ada/busybox", "evil.example/busybox", "evil.example/library/busybox"],
        ),
        ("busybox:*", ["busybox:1", "busybox"], ["busyboxes:1", "ada/busybox:1", f"busybox@{DIGEST}"]),
        ("busybox:1.*", ["busybox:1.36"], ["busybox", "busybox:11", f"busybox:1.36@{DIGEST}"]),
        (f"busybox@{DIGEST}", [f"busybox@{DIGEST}", f"busybox:1@{DIGEST}"], ["busybox", f"busybox@sha256:{'b' * 64}"]),
        ("docker.io/library/busybox", ["busybox:1", "docker.io/library/busybox"], ["docker.io/ada/busybox"]),
        ("docker.io/**", ["busybox", "ada/tool:1"], ["ghcr.example/tool"]),
        ("*", ["busybox", "busybox:1"], ["ada/tool", "ghcr.example/tool"]),
        ("**", ["busybox", "ada/tool", "ghcr.example/a/b:1", f"ghcr.example/a/b@{DIGEST}"], []),
        ("atelier/*", ["atelier/lab", "atelier/lab:2"], ["atelier/a/b", "mine.example/atelier/lab", "atelier", "Atelier/lab"]),
        ("Atelier/*", ["Atelier/lab"], ["atelier/lab"]),
        ("mine.example/*", ["mine.example/lab", "Mine.Example/lab"], []),
        (
            "registry.example:5000/class/**",
            ["registry.example:5000/class/a", "registry.example:5000/class/a/b:3"],
            ["registry.example/class/a", "registry.example:5000/classes/a", "x.registry.example:5000/class/a"],
        ),
        ("lab-?", ["lab-1:x", "lab-a"], ["lab-10", "lab"]),
        ("a.b/c", ["a.b/c"], ["axb/c"]),
    ],
)
def test_a_pattern_fits_names_as_they_are_written_short_and_out(pattern: str, fitting: list[str], others: list[str]) -> None:
    check_pattern(pattern)
    for default_domain in ("", "docker.io"):
        assert [name for name in fitting if not fits(pattern, parse_reference(name, default_domain=default_domain))] == []
        assert [name for name in others if fits(pattern, parse_reference(name, default_domain=default_domain))] == []


@pytest.mark.parametrize("pattern", ["", "a b", "a\n", "$(id)", "[a-z]", "é", "x" * 401])
def test_what_is_in_no_name_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid image pattern"):
        check_pattern(pattern)


def test_a_pattern_of_stars_is_laid_on_in_steps_in_proportion() -> None:
    assert not fits("*a" * 199 + "b", parse_reference("a" * 250))
    assert not fits("**a" * 133 + "b", parse_reference("a" * 250))
    assert fits("**a" * 133, parse_reference("a" * 200))


@pytest.mark.parametrize(
    ("pattern", "domain", "answer"),
    [
        ("busybox", "docker.io", True),
        ("busybox", "busybox", False),
        ("class/*", "evil.example", False),
        ("*.example:5000/class/*", "registry.example:5000", True),
        ("registry.example/class/**", "registry.example:5000", False),
        ("**", "registry.example", True),
        ("*", "registry.example", False),
    ],
)
def test_a_pattern_tells_in_which_registries_its_names_are(pattern: str, domain: str, *, answer: bool) -> None:
    assert reaches_registry(pattern, domain) is answer
