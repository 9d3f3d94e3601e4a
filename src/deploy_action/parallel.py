"""The same for several hosts at once, in threads that no signal can interrupt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from deploy_action.interruption import postponed

__all__ = ["run_parallel"]

_MOST = 32
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


def run_parallel(
    act: Callable[[_Item], _Result],
    items: Sequence[_Item],
    cancel: threading.Event | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[_Result]:
    """Do the same for all items at once; the first failure is raised when all have ended.

    Never in the main thread, even for one: a signal's exception must not cut a request in two.

    Args:
        cancel: set when a signal came, so that what waits can end.
        meanwhile: what this thread does instead of only waiting.
    """
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(len(items), _MOST), thread_name_prefix="host") as pool:
        futures: list[Future[_Result]] = []
        try:
            # A call that has begun has to be known here: it is waited for, whatever comes.
            with postponed():
                futures = [pool.submit(act, item) for item in items]
            meanwhile()
            wait(futures)
        except BaseException:
            if cancel is not None:
                cancel.set()
            raise
    return [future.result() for future in futures]
