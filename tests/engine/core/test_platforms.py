"""Platforms: how they are written, and which image fits."""

import pytest

from engine.core.platforms import Platform, complete, fitness, parse_platform
from engine.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/arm64", Platform("linux", "arm64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("linux/arm/6", Platform("linux", "arm", "v6")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux", Platform("linux")),
        ("arm64", Platform("linux", "arm64")),
        ("Linux/AMD64", Platform("linux", "amd64")),
        ("macos/arm64", Platform("darwin", "arm64")),
    ],
)
def test_a_platform_is_read(text: str, expected: Platform) -> None:
    assert parse_platform(text) == expected


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/amd 64", "nonsense", "linux/\x1b", "x" * 300])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid platform"):
        parse_platform(text)


def test_what_is_unsaid_comes_from_the_host() -> None:
    host = Platform("linux", "arm", "v7")
    assert complete(Platform("linux"), host) == host
    assert complete(Platform("linux", "amd64"), host) == Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("wanted", "best_first", "unfit"),
    [
        ("linux/amd64", ["linux/amd64"], ["linux/arm64", "windows/amd64", "linux/amd64/v3", "unknown/unknown"]),
        ("linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"], ["linux/amd64/v4"]),
        ("linux/arm/v7", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"], ["linux/arm64", "linux/arm/v8"]),
        ("linux/arm64", ["linux/arm64/v8"], ["linux/arm64/v9"]),
    ],
)
def test_older_variants_fit_less_well_and_newer_ones_not_at_all(wanted: str, best_first: list[str], unfit: list[str]) -> None:
    def fit(text: str) -> int | None:
        return fitness(Platform(*text.split("/")), parse_platform(wanted))

    found = [fit(text) for text in best_first]
    assert None not in found
    assert found == sorted(found, key=lambda value: -(value or 0))
    assert len(set(found)) == len(found)
    assert [fit(text) for text in unfit] == [None] * len(unfit)
