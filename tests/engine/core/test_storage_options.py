"""Options of a container's writable files."""

import pytest

from engine.core.storage_options import storage_limit
from engine.errors import InvalidParameter


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, None), ({"size": "10G"}, 10 << 30), ({"SIZE": "500m"}, 500 << 20), ({"size": "8388608"}, 8 << 20)],
)
def test_a_size_is_read_as_docker_writes_it(options: dict[str, str], expected: int | None) -> None:
    assert storage_limit(options) == expected


@pytest.mark.parametrize(
    "options", [{"size": ""}, {"size": "-1"}, {"size": "1m"}, {"dm.basesize": "1G"}, {"size": "1G", "Size": "2G"}]
)
def test_what_is_no_size_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        storage_limit(options)
