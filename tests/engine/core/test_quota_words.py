"""What is said of amounts, and to whoever is refused one."""

import pytest

from engine.core.quota_words import format_amount, refusal_text, too_large_text

GIB, MIB = 2**30, 2**20


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("memory", 0, "0 B"),
        ("memory", 1023, "1023 B"),
        ("memory", 1024, "1 KiB"),
        ("memory", 200 * MIB, "200 MiB"),
        ("memory", 4 * GIB, "4 GiB"),
        ("disk", 1.5 * GIB, "1.5 GiB"),
        ("image_bytes", 1_234_567_890, "1.15 GiB"),
        ("image_bytes", 12.34 * MIB, "12.3 MiB"),
        ("swap", 3 * 2**50, "3 PiB"),
        ("disk", 5000 * 2**50, "5000 PiB"),
        ("cpus", 1, "1 cpu"),
        ("cpus", 1.5, "1.5 cpus"),
        ("cpus", 0.333333, "0.33 cpus"),
        ("containers", 10, "10"),
        ("pids", 100.0, "100"),
        ("network_in_bps", 2 * MIB, "2 MiB/s"),
        ("io_read_iops", 500, "500/s"),
    ],
)
def test_amounts_have_the_unit_that_people_use(resource: str, amount: float, text: str) -> None:
    assert format_amount(resource, amount) == text


@pytest.mark.parametrize(
    ("resource", "tenant", "figures", "names", "text"),
    [
        (
            "memory",
            "demo",
            (4 * GIB, 4 * GIB - 200 * MIB, 512 * MIB),
            ("web", "db"),
            (
                "memory quota of team demo: 512 MiB needed, 200 MiB left of 4 GiB;"
                " stop one of web, db, choose a smaller size, or ask for more"
            ),
        ),
        (
            "memory",
            "demo/ada",
            (GIB, 2 * GIB, 6 * MIB),
            (),
            "memory quota of demo/ada: 6 MiB needed, 0 B left of 1 GiB; choose a smaller size, or ask for more",
        ),
        (
            "running",
            "demo/ada",
            (3, 3, 1),
            ("web",),
            "running container quota of demo/ada: 1 needed, 0 left of 3; stop web, or ask for more",
        ),
        (
            "containers",
            "demo",
            (10, 10, 1),
            ("a", "b", "c", "d"),
            "container quota of team demo: 1 needed, 0 left of 10; remove one of a, b, c, or ask for more",
        ),
        ("volumes", "demo", (2, 2, 1), (), "volume quota of team demo: 1 needed, 0 left of 2; ask for more"),
        (
            "image_bytes",
            "demo",
            (MIB, 0, 2 * MIB),
            (),
            "image size quota of team demo: 2 MiB needed, 1 MiB left of 1 MiB; use a smaller image, or ask for more",
        ),
        (
            "disk",
            "demo/ada",
            (24 * MIB, 24 * MIB, 0),
            (),
            (
                "disk quota of demo/ada: 0 B left of 24 MiB; remove containers, volumes, images or what builds have left (prune),"
                " or ask for more"
            ),
        ),
    ],
)
def test_a_refusal_says_what_is_left_and_what_would_help(
    resource: str, tenant: str, figures: tuple[float, float, float], names: tuple[str, ...], text: str
) -> None:
    limit, used, requested = figures
    assert refusal_text(resource, tenant=tenant, limit=limit, used=used, requested=requested, names=names) == text


def test_what_is_larger_than_everything_is_said_to_be() -> None:
    assert too_large_text("cpus", tenant="demo", limit=2, requested=8) == (
        "cpu quota of team demo: 8 cpus needed, 2 cpus is all there is; choose a smaller size, or ask for more"
    )
