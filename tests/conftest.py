"""What holds for the whole suite: the order of the tests, what none may leave behind, where the portal's test database lies."""

import ctypes
from collections.abc import Iterator

import pytest
from django.conf import settings

_PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the database in a folder of the tests, as a file: servers in threads and workers in processes open it too."""
    settings.DATABASES["default"]["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "portal.sqlite3")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the launcher's tests first.

    Its process manager waits for blocked signals, as a single-threaded program can; the tests of the portal leave threads behind
    to which the kernel would give these signals instead. (pytest-django has put its own tests first before this runs.)
    """
    items.sort(key=lambda item: "launcher" not in item.path.parts[-2:])


@pytest.fixture(autouse=True)
def no_reaper() -> Iterator[None]:
    """Let orphans go past this process, whatever a test made of it: it would inherit containers and never reap them."""
    yield
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
