"""The progress writer for a terminal or a log: elapsed seconds, host, text, one line a step."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TextIO

from deploy_action.render.text import Style, printable

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment

__all__ = ["Console"]


class Console:
    """A Progress that writes to a stream; safe to call from several threads.

    Args:
        stream: where to write; stdout stays free for results.
        palette: colours or none.
        clock: monotonic seconds, for the elapsed time.
    """

    def __init__(
        self,
        stream: TextIO,
        palette: Style,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._palette = palette
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()

    def say(self, text: str, *, host: str = "") -> None:
        """Write one step."""
        self._write([self._line(printable(text), host)])

    def warn(self, text: str, *, host: str = "") -> None:
        """Write a warning."""
        self._write([self._line(self._palette.warning(f"warning: {printable(text)}"), host)])

    def quote(self, title: str, lines: Iterable[str]) -> None:
        """Write text from outside, neutralised, behind a bar that shows that it is not ours."""
        bar = self._palette.quiet("        │ ")
        quoted = [bar + printable(line.rstrip("\r\n")) for line in lines]
        self._write([self._line(f"{printable(title)}:", ""), *quoted])

    def begin(self, deployment: Deployment) -> None:
        """Write nothing: the steps that follow say it."""

    def _line(self, text: str, host: str) -> str:
        elapsed = self._palette.quiet(f"{self._clock() - self._start:6.1f}s ")
        where = self._palette.strong(printable(host)) + " " if host else ""
        return f"{elapsed} {where}{text}"

    def _write(self, lines: list[str]) -> None:
        # A reader that went away (a closed terminal, `| head`) must not undo a deployment.
        with self._lock, contextlib.suppress(OSError):
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
