"""Lines of progress as dockerd writes them."""

import pytest

from engine.core.progress import error_line, format_progress, progress_line, status_line


@pytest.mark.parametrize(
    ("current", "total", "text"),
    [
        (0, 0, ""),
        (1500, 0, "   1.5kB"),
        (0, 100, "[>                                                  ]       0B/100B"),
        (50, 100, "[=========================>                         ]      50B/100B"),
        (100, 100, "[==================================================>]     100B/100B"),
        (537_657, 764_619, "[===================================>               ]  537.7kB/764.6kB"),
        (200, 100, "[==================================================>]     200B"),
    ],
)
def test_progress_is_a_bar_and_two_sizes(current: int, total: int, text: str) -> None:
    assert format_progress(current, total) == text


def test_a_line_about_an_object_has_a_detail_even_when_it_is_empty() -> None:
    assert status_line("Pulling fs layer", "0123") == {"status": "Pulling fs layer", "progressDetail": {}, "id": "0123"}
    assert status_line("Digest: sha256:1") == {"status": "Digest: sha256:1"}


def test_a_total_that_is_unknown_is_left_out() -> None:
    assert progress_line("Pushing", "1", current=5, total=0)["progressDetail"] == {"current": 5}


def test_an_error_stands_twice_as_older_clients_want_it() -> None:
    assert error_line("no") == {"errorDetail": {"message": "no"}, "error": "no"}
