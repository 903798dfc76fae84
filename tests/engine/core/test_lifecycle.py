"""The table of states."""

import pytest

from engine.core.lifecycle import TRANSITIONS, Event, State, next_state
from engine.errors import Conflict


@pytest.mark.parametrize(("state", "event", "after"), [(*move, after) for move, after in TRANSITIONS.items()])
def test_moves_of_the_table_are_made(state: State, event: Event, after: State) -> None:
    assert next_state(state, event) is after


def test_every_other_move_is_a_conflict_that_names_both() -> None:
    for state in State:
        for event in Event:
            if (state, event) not in TRANSITIONS:
                with pytest.raises(Conflict, match=f"cannot {event} a container that is {state}"):
                    next_state(state, event)


def test_a_removed_container_can_only_be_removed_again() -> None:
    assert {event for state, event in TRANSITIONS if state is State.REMOVING} == {Event.REMOVE, Event.FAIL}
