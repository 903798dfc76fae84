"""Celery tasks of usage: each calls one service."""

from celery import shared_task

from portal.usage.services import prune_usage, watch_hours


@shared_task(name="portal.watch_hours")
def watch_hours_task() -> None:
    watch_hours()


@shared_task(name="portal.prune_usage")
def prune_usage_task() -> None:
    prune_usage()
