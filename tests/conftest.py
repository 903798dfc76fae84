"""What holds for the whole suite: which tests come first, and where the portal's test database lies."""

import pytest
from django.conf import settings


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
