"""What holds for the whole suite: which tests come first."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the launcher's tests first.

    Its process manager waits for blocked signals, as a single-threaded program can; the tests of the portal leave threads behind
    to which the kernel would give these signals instead. (pytest-django has put its own tests first before this runs.)
    """
    items.sort(key=lambda item: "launcher" not in item.path.parts[-2:])
