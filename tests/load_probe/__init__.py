"""A load probe that counts what clients would have lost, while a deployment goes on beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.load_probe.bound import upper_bound
from tests.load_probe.load import Load
from tests.load_probe.result import Kind, Loss, ProbeResult, Seen
from tests.load_probe.runner import Runner
from tests.load_probe.tally import Tally

__all__ = ["Kind", "Load", "Loss", "Probe", "ProbeResult", "Seen", "upper_bound"]


class Probe:
    """Runs a load in a thread of its own.

        with Probe("http://127.0.0.1:8080/") as probe:
            probe.wait(lambda seen: seen.ok >= 100)
            ...
        assert probe.result().lost == 0

    Leaving the block lets requests under way finish; leaving it by an exception gives them up.
    """

    def __init__(self, url: str, load: Load | None = None) -> None:
        self._url = url
        self._load = load or Load()
        self._tally = Tally(url)
        self._thread = threading.Thread(target=self._main, name=f"probe {url}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: Runner | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin; raises BadInput when the URL is not one or points to another machine."""
        self._thread.start()
        self._ready.wait()
        if self._runner is None:
            self._finish()

    def stop(self, *, finish: bool = True) -> ProbeResult:
        """End the load and return its counts.

        Args:
            finish: wait for the answers to requests under way, at most their timeout; else they
                count as unfinished.
        """
        loop, runner = self._loop, self._runner
        if loop is not None and runner is not None and self._thread.is_alive():
            try:
                loop.call_soon_threadsafe(runner.stop if finish else runner.abandon)
            except RuntimeError:
                # It ended by itself between the two lines.
                pass
        self._finish()
        return self._tally.snapshot()

    def result(self) -> ProbeResult:
        """End the load, if it still runs, and return its counts."""
        return self.stop()

    def join(self) -> ProbeResult:
        """Wait until the load's own time or number is over and return its counts."""
        self._finish()
        return self._tally.snapshot()

    def snapshot(self) -> ProbeResult:
        """Return the counts so far without disturbing the load."""
        return self._tally.snapshot()

    def wait(
        self, condition: Callable[[ProbeResult], bool], *, timeout_seconds: float = 30.0
    ) -> ProbeResult:
        """Wait until the counts fulfil a condition ("a hundred answers", "version 2 was seen").

        Raises:
            TimeoutError: they did not in time, or the load ended before.
        """
        return self._tally.wait(condition, timeout_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(finish=error is None)

    def _finish(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        runner = Runner(self._url, self._load, self._tally)
        self._runner = runner
        self._ready.set()
        await runner.run()
