"""Runs calls on worker threads, so that signals interrupt only the main thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

from deploy_action.errors import Interrupted
from deploy_action.interruption import postponed

__all__ = ["Cancel", "run_parallel"]

_MAX_WORKERS = 32
_POLL_SECONDS = 0.2

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ends waiting work when other work failed or a signal came."""

    event: threading.Event = field(default_factory=threading.Event)

    def set(self) -> None:
        """Ask everything that checks to stop."""
        self.event.set()

    def check(self) -> None:
        """Raise Interrupted once the work is cancelled."""
        if self.event.is_set():
            raise Interrupted("stopped, because the deployment is being undone")


def run_parallel(
    act: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    cancel: Cancel | None = None,
    settle_seconds: float | None = None,
) -> list[Result]:
    """Call `act` with every item at once and return the results in the items' order.

    Even a single call runs on a worker: a signal's exception must not cut a request in two.

    Args:
        cancel: set at the first failure and when a signal comes, so that the other calls can end.
        settle_seconds: how long to wait for the calls under way after a signal; None: until all
            have ended.

    Raises:
        BaseException: the first failure, when all calls have ended; or the signal's exception.
    """
    if not items:
        return []
    pool = ThreadPoolExecutor(min(len(items), _MAX_WORKERS), thread_name_prefix="parallel")
    futures: list[Future[Result]] = []
    failure: BaseException | None = None
    try:
        # A call that has begun must be known here: whoever undoes it waits for its end first.
        with postponed():
            futures = [pool.submit(functools.partial(act, item)) for item in items]
        pending = set(futures)
        while pending:
            ended, pending = wait(pending, timeout=_POLL_SECONDS, return_when="FIRST_EXCEPTION")
            for future in ended:
                error = future.exception()
                if error is not None and failure is None:
                    failure = error
                    if cancel is not None:
                        cancel.set()
    except BaseException:
        if cancel is not None:
            cancel.set()
        wait(futures, timeout=settle_seconds)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if failure is not None:
        raise failure
    return [future.result() for future in futures]
