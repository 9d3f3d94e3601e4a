"""The observer that writes to a terminal or a log: time, host, text, one line a step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from deploy_action.events.model import (
    Message,
    Output,
    QuotedOutput,
    StepStarted,
    UndoStarted,
    WarningMessage,
)
from deploy_action.render.text import Style, printable

if TYPE_CHECKING:
    from deploy_action.events.model import Event
    from deploy_action.results.notes import Note

__all__ = ["Console", "pass_on"]


class Console:
    """Writes events as they come; the stream of events calls it from one thread at a time.

    Args:
        stream: where to write; stdout stays free for results.
        style: colours or none.
        output: where the output of users' programs goes; by default where all else goes.
        clock: monotonic seconds, for the elapsed time.
        time_of_day: written instead of the elapsed time when given.
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
    ) -> None:
        self._stream = stream
        self._style = style
        self._output = output or stream
        self._clock = clock
        self._start = clock()
        self._time_of_day = time_of_day

    def notify(self, event: Event) -> None:
        """Write messages, warnings, steps that begin, and quoted output; ignore the rest."""
        match event:
            case Message() | StepStarted():
                self._write([self._line(printable(event.text), event.host)])
            case WarningMessage():
                text = self._style.warning(f"warning: {printable(event.text)}")
                self._write([self._line(text, event.host)])
            case UndoStarted():
                self._write([self._line(self._style.warning(printable(event.text)), "")])
            case QuotedOutput():
                # The bar shows that the text is not ours.
                bar = self._style.quiet("        │ ")
                quoted = [bar + printable(line.rstrip("\r\n")) for line in event.lines]
                self._write([self._line(f"{printable(event.title)}:", ""), *quoted])
            case Output():
                pass_on(self._stream if event.error else self._output, event.content)
            case _:
                pass

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:  # noqa: ARG002
        """Everything is written already."""
        return ()

    def _line(self, text: str, host: str) -> str:
        if self._time_of_day is not None:
            stamp = f"{self._time_of_day()} "
        else:
            stamp = f"{self._clock() - self._start:6.1f}s "
        where = self._style.strong(printable(host)) + " " if host else ""
        return f"{self._style.quiet(stamp)} {where}{text}"

    def _write(self, lines: list[str]) -> None:
        # A reader that went away (a closed terminal, `| head`) must not undo a deployment.
        with contextlib.suppress(OSError):
            self._stream.write("".join(f"{line}\n" for line in lines))
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
