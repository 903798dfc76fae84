"""The engine's command line about registries."""

import pytest

from engine.settings import ServeSettings, parse_serve


def parsed(*arguments: str) -> ServeSettings:
    return parse_serve(["--data", "data", "--run", "run", *arguments])


def test_a_mirror_without_a_domain_is_one_of_docker_hub() -> None:
    settings = parsed("--registry-mirror", "http://127.0.0.1:5000/", "--registry-mirror", "https://m.example/p")
    assert settings.registries.mirrors == {"docker.io": ("http://127.0.0.1:5000", "https://m.example/p")}


def test_a_mirror_may_be_one_of_another_registry() -> None:
    settings = parsed("--registry-mirror", "quay.example=https://m.example")
    assert settings.registries.mirrors == {"quay.example": ("https://m.example",)}


@pytest.mark.parametrize(
    ("given", "kept"), [("reg.example:5000", "reg.example:5000"), ("Plain", "plain"), ("10.0.0.0/8", "10.0.0.0/8")]
)
def test_an_insecure_registry_is_a_host_or_a_range(given: str, kept: str) -> None:
    assert parsed("--insecure-registry", given).registries.insecure == (kept,)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--registry-mirror", "m.example"),
        ("--registry-mirror", "ftp://m.example"),
        ("--registry-mirror", "http://name:secret@m.example"),
        ("--registry-mirror", "a/b=http://m.example"),
        ("--insecure-registry", "http://reg.example"),
        ("--insecure-registry", "reg.example/team"),
        ("--insecure-registry", "10.0.0.1/8"),
    ],
)
def test_what_is_no_registry_is_refused_at_once(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*arguments)
    assert "is no" in capsys.readouterr().err
