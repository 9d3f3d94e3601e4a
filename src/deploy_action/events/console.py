"""The observer that writes to a terminal or a log: time, host, text, one line a step."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from deploy_action.events.model import (
    Message,
    Output,
    QuotedOutput,
    StepStarted,
    UndoStarted,
    Waiting,
    WaitingEnded,
    WarningMessage,
)
from deploy_action.render.text import Style, printable, wrap
from deploy_action.render.waits import Waits

if TYPE_CHECKING:
    from deploy_action.events.model import Event
    from deploy_action.results.notes import Note

__all__ = ["Console", "pass_on"]


_TICK_SECONDS = 0.5
_STAMP_COLUMNS = 10
_CLEAR = "\r\x1b[K"
"""Back to the first column, and erase to the end of the line (ECMA-48)."""


class Console:
    """Writes events as they come, and what is waited for: on a terminal in one line that is
    rewritten in place, in a log in a line now and then.

    Args:
        stream: where to write; stdout stays free for results.
        style: colours or none.
        output: where the output of users' programs goes; by default where all else goes.
        clock: monotonic seconds, for the elapsed time.
        time_of_day: written instead of the elapsed time when given.
        width: returns the columns of the terminal; None where a line cannot be rewritten.
        tick_seconds: how often to look at the clock while something is waited for; 0 is never.
    """

    name = "the console"

    def __init__(
        self,
        stream: TextIO,
        style: Style,
        *,
        output: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], str] | None = None,
        width: Callable[[], int] | None = None,
        tick_seconds: float = _TICK_SECONDS,
    ) -> None:
        self._stream = stream
        self._style = style
        self._output = output or stream
        self._clock = clock
        self._start = clock()
        self._time_of_day = time_of_day
        self._width = width
        self._tick_seconds = tick_seconds
        self._waits = Waits()
        self._drawn = False
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._ticker: threading.Thread | None = None

    def notify(self, event: Event) -> None:
        """Write messages, warnings, steps that begin, quoted output, and what is waited for."""
        with self._lock:
            self._notify(event)

    def tick(self) -> None:
        """Say what is waited for, where it is time for that."""
        with self._lock:
            if self._width is not None:
                self._draw(self._width())
                return
            for host, text in self._waits.due(self._clock()):
                self._write([self._line(text, host)])

    def _notify(self, event: Event) -> None:
        match event:
            case Waiting():
                self._waits.update(event, self._clock())
                if event.quoted and event.detail and self._width is None:
                    self._write([self._quoted(event.detail)])
                self._start_ticker()
            case WaitingEnded():
                self._waits.end(event)
                self._clear()
            case Message() | StepStarted():
                self._write(self._lines(event.text, event.host, str))
            case WarningMessage():
                text = f"warning: {event.text}"
                self._write(self._lines(text, event.host, self._style.warning))
            case UndoStarted():
                self._write(self._lines(event.text, "", self._style.warning))
            case QuotedOutput():
                quoted = [self._quoted(line) for line in event.lines]
                self._write([self._line(f"{printable(event.title)}:", ""), *quoted])
            case Output():
                self._clear()
                # Its last line may go on: nothing of ours may be written over it.
                self._width = None
                pass_on(self._stream if event.error else self._output, event.content)
            case _:
                pass

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        """Take the line about what is waited for away."""
        self._closed.set()
        if self._ticker is not None:
            self._ticker.join(timeout_seconds)
        with self._lock:
            self._clear()
        return ()

    def _start_ticker(self) -> None:
        if self._ticker is None and self._tick_seconds:
            self._ticker = threading.Thread(target=self._keep_ticking, name="console", daemon=True)
            self._ticker.start()

    def _keep_ticking(self) -> None:
        while not self._closed.wait(self._tick_seconds):
            self.tick()

    def _draw(self, width: int) -> None:
        line = self._waits.line(self._clock(), width - 1)
        if not line:
            return
        self._raw(f"{_CLEAR}{self._style.quiet(line)}")
        self._drawn = True

    def _clear(self) -> None:
        if self._drawn:
            self._raw(_CLEAR)
            self._drawn = False

    def _quoted(self, line: str) -> str:
        # The bar shows that the text is not ours.
        return self._style.quiet("        │ ") + printable(line.rstrip("\r\n"))

    def _lines(self, text: str, host: str, paint: Callable[[str], str]) -> list[str]:
        """Return one line, which a log keeps whole and a terminal gets in its own width."""
        if self._width is None:
            return [self._line(paint(printable(text)), host)]
        room = self._width() - _STAMP_COLUMNS - (len(host) + 1 if host else 0)
        first, *more = wrap(text, room) or [""]
        return [self._line(paint(first), host), *(" " * _STAMP_COLUMNS + paint(m) for m in more)]

    def _line(self, text: str, host: str) -> str:
        if self._time_of_day is not None:
            stamp = f"{self._time_of_day()} "
        else:
            stamp = f"{self._clock() - self._start:6.1f}s "
        where = self._style.strong(printable(host)) + " " if host else ""
        return f"{self._style.quiet(stamp)} {where}{text}"

    def _write(self, lines: list[str]) -> None:
        self._clear()
        self._raw("".join(f"{line}\n" for line in lines))

    def _raw(self, text: str) -> None:
        # A reader that went away (a closed terminal, `| head`) must not undo a deployment.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


def pass_on(stream: TextIO, content: bytes) -> None:
    """Write bytes as they are, where the stream takes bytes."""
    binary = getattr(stream, "buffer", None)
    with contextlib.suppress(OSError):
        if binary is None:
            stream.write(content.decode(errors="replace"))
        else:
            stream.flush()
            binary.write(content)
        stream.flush()
