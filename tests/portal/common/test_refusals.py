"""Refusals: whatever app they are of, each has words of its own."""

from collections.abc import Iterator
from inspect import isabstract

import portal.labs.refusals
import portal.requests.refusals
import portal.teams.refusals
from portal.common.refusals import Refusal

APPS = {app.__name__ for app in (portal.labs.refusals, portal.requests.refusals, portal.teams.refusals)}


def reasons(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Those that are raised: kinds of which there are no others."""
    for other in kind.__subclasses__():
        yield from reasons(other) if other.__subclasses__() else [other]


def test_every_refusal_explains_itself() -> None:
    found = list(reasons(Refusal))
    assert {kind.__module__ for kind in found} >= APPS
    assert not [kind for kind in found if isabstract(kind)]
