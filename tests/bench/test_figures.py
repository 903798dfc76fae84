"""The table of the bench."""

from bench.figures import Figure, format_table


def test_a_table_shows_medians_and_how_many_times_less_ours_is() -> None:
    figures = [
        Figure("run", "ms", {"Atelier": [9.0, 10.0, 50.0], "dockerd": [250.0], "runc": [20.0]}),
        Figure("click", "ms", {"Atelier": [432.1]}),
    ]
    assert format_table(figures).splitlines() == [
        "| figure (median) | Atelier | dockerd | runc | dockerd / Atelier |",
        "| --- | --- | --- | --- | --- |",
        "| run | 10.0 ms | 250 ms | 20.0 ms | 25.0 |",
        "| click | 432 ms | - | - | - |",
    ]
