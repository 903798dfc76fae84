"""Threads for short work that blocks, of which no tenant's requests take more than a share.

Owns the queue of each tenant. Work that takes long has threads of its own (``slow_work``).
"""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from engine.core.tenants import Tenant

THREADS = 16
SHARE = 4  # of one tenant
ASKING: ContextVar[Tenant | None] = ContextVar("asking", default=None)  # whose own request a task serves


@contextmanager
def for_all() -> Iterator[None]:
    """What others wait for too is nobody's own request, nor are tasks and timers begun inside: none of it is held back."""
    token = ASKING.set(None)
    try:
        yield
    finally:
        ASKING.reset(token)


class CommonLock(asyncio.Lock):
    """A lock that several tenants wait for: its holder's threads do not wait behind all else that its tenant asks."""

    _token: Token[Tenant | None]  # of the one who holds it

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self._token = ASKING.set(None)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        ASKING.reset(self._token)
        await super().__aexit__(kind, error, trace)


class _Job:
    """A piece of work that waits for a thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self._work = work

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._work()
        except BaseException as error:  # as an executor does: it is the caller's to handle
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class FairThreads(ThreadPoolExecutor):
    """The loop's own threads. What nobody in particular asked for is never held back."""

    def __init__(self) -> None:
        super().__init__(THREADS, thread_name_prefix="work")
        self._lock = threading.Lock()
        self._waiting: defaultdict[Tenant, deque[_Job]] = defaultdict(deque)
        self._busy: dict[Tenant, int] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do ``fn`` in a thread, when the tenant that asks has one free."""
        tenant = ASKING.get()
        if tenant is None:
            return super().submit(fn, *args, **kwargs)
        job = _Job(lambda: fn(*args, **kwargs))
        with self._lock:
            self._waiting[tenant].append(job)
            if (busy := self._busy.get(tenant, 0)) >= SHARE:
                return job.future
            self._busy[tenant] = busy + 1
        super().submit(self._work, tenant)
        return job.future

    def _work(self, tenant: Tenant) -> None:
        """Do one job, and stand in line anew for the next: behind those of others."""
        if (job := self._take(tenant)) is None:
            return
        job.run()
        try:
            super().submit(self._work, tenant)
        except RuntimeError:  # the daemon ends
            while (job := self._take(tenant)) is not None:
                job.future.cancel()

    def _take(self, tenant: Tenant) -> _Job | None:
        """Return the tenant's next job; without one, its thread is free."""
        with self._lock:
            if waiting := self._waiting.get(tenant):
                return waiting.popleft()
            self._busy[tenant] -= 1
            if not self._busy[tenant]:
                del self._busy[tenant]
                self._waiting.pop(tenant, None)
            return None
