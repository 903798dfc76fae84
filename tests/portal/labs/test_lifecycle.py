"""The table of a lab's states."""

import pytest

from portal.labs.lifecycle import ACTIVE, TRANSITIONS, LabEvent, LabState, can, next_state

START, STOP, REMOVE = LabEvent.START, LabEvent.STOP, LabEvent.REMOVE


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        (LabState.PENDING, {REMOVE}),
        (LabState.CREATING, {REMOVE}),
        (LabState.RUNNING, {STOP, REMOVE}),
        (LabState.STOPPING, {REMOVE}),
        (LabState.STOPPED, {START, REMOVE}),
        (LabState.REMOVING, set()),
        (LabState.FAILED, {START, REMOVE}),
    ],
)
def test_what_a_person_may_ask_in_each_state(state: LabState, asked: set[LabEvent]) -> None:
    assert {event for event in (START, STOP, REMOVE) if can(state, event)} == asked


def test_nothing_a_host_says_brings_back_what_is_being_removed() -> None:
    reached = {next_state(LabState.REMOVING, event) for event in LabEvent}
    assert reached == {None, LabState.FAILED}


def test_a_start_that_fails_leaves_nothing_counted_as_running() -> None:
    assert next_state(LabState.CREATING, LabEvent.FAILS) not in ACTIVE


def test_every_state_can_be_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(LabState)
