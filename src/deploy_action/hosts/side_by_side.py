"""The same for several hosts at once, in threads that no signal can interrupt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["side_by_side"]

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


def side_by_side(
    act: Callable[[_Item], _Result],
    items: Sequence[_Item],
    cancel: threading.Event | None = None,
) -> list[_Result]:
    """Do the same for all items at once; the first failure is raised when all have ended.

    Never in the main thread, even for one: a signal's exception must not cut a request in two.

    Args:
        cancel: set when a signal came, so that what waits can end.
    """
    with ThreadPoolExecutor(max_workers=16, thread_name_prefix="host") as pool:
        futures = [pool.submit(act, item) for item in items]
        try:
            wait(futures)
        except BaseException:
            if cancel is not None:
                cancel.set()
            raise
    return [future.result() for future in futures]
