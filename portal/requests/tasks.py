"""Celery tasks of requests: each calls one service."""

from datetime import timedelta

from celery import shared_task

from portal.requests.services import end_due_grants, next_ends

# Beat asks each minute. A task may wait in a worker for that long, and no longer: the broker would give it to another one too.
_AHEAD = timedelta(seconds=60)


@shared_task(name="portal.end_grants")
def end_grants_task(*, looks_ahead: bool = False) -> None:
    """End what is over; with ``looks_ahead`` be back at the very moment in which something ends before the next minute."""
    end_due_grants()
    if looks_ahead:
        for moment in next_ends(_AHEAD):
            end_grants_task.apply_async(eta=moment)
