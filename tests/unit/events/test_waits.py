"""What is waited for: one live line on a terminal, lines now and then in a log."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

import pytest

from deploy_action.cli.screen import live_width
from deploy_action.events.console import Console
from deploy_action.events.stream import EventStream
from deploy_action.render.text import Style
from deploy_action.render.waits import cut

REPLICA = "waiting for replica 1 to be healthy"


@dataclass
class Log:
    """A console whose clock is set by hand."""

    width: int | None = None
    now: float = 0.0
    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        width = self.width
        self.console = Console(
            self.stream,
            Style(),
            clock=lambda: self.now,
            width=None if width is None else lambda: width,
            tick_seconds=0,
        )
        self.events = EventStream([self.console])

    def after(self, seconds: float) -> str:
        """Let time pass, second by second, and return what was written meanwhile."""
        before = len(self.stream.getvalue())
        for _ in range(int(seconds)):
            self.now += 1
            self.console.tick()
        return self.stream.getvalue()[before:]

    def screen(self) -> list[str]:
        """Return the lines as a terminal shows them."""
        lines = self.stream.getvalue().split("\n")
        return [line.rpartition("\r\x1b[K")[2] for line in lines]


def test_a_log_is_told_less_and_less_often() -> None:
    """After 10, 30 and 60 seconds, then at twice the time: for what, since when, what was seen."""
    log = Log()
    with log.events.waiting(REPLICA, host="web-1", limit_seconds=300) as tell:
        assert log.after(9) == ""
        tell("last answer: 503")
        assert log.after(1) == f"  10.0s  web-1 {REPLICA}: 10 s of 5m00s; last answer: 503\n"
        said = log.after(600)
    assert [line.split(": ")[1].split(" of")[0] for line in said.splitlines()] == [
        "30 s",
        "60 s",
        "2m00s",
        "4m00s",
        "8m00s",
    ]
    assert log.after(600) == ""


def test_a_terminal_has_one_line_that_is_rewritten_and_then_gone() -> None:
    """It is cut to the width, stays below what is said meanwhile, and leaves nothing."""
    log = Log(width=60)
    with log.events.waiting(REPLICA, host="web-1", limit_seconds=60) as tell:
        tell("last answer: 503")
        log.after(20)
        assert (
            log.screen()[-1].strip() == "web-1 waiting for replic…: 20 s of 60 s; last answer: 503"
        )
        assert len(log.screen()[-1]) < 60
        log.events.say("disk is slow", host="web-1")
        log.after(1)
        assert log.screen()[-2] == "  20.0s  web-1 disk is slow"
        assert "21 s" in log.screen()[-1]
    assert log.screen()[-1] == ""
    log.after(5)
    assert log.screen()[-1] == ""


def test_the_oldest_of_several_is_shown_and_the_others_are_counted() -> None:
    """Several hosts are waited for at the same time."""
    log = Log(width=80)
    with log.events.waiting("pulling shop:1", host="a"):
        log.after(1)
        with log.events.waiting("pulling shop:1", host="b"):
            log.after(1)
            assert log.screen()[-1].strip() == "a pulling shop:1: 2 s (and 1 more)"
    assert log.screen()[-1] == ""


def test_lines_of_a_build_stay_in_a_log_and_pass_on_a_terminal() -> None:
    """And neither lets them clear the screen."""
    log, terminal = Log(), Log(width=80)
    for one in (log, terminal):
        with one.events.waiting("building shop:1", quoted=True) as tell:
            tell("#1 \x1b[2Jbase")
            one.after(1)
            assert "\\x1b[2Jbase" in one.screen()[-1 if one.width else 0]
            tell("#2 RUN make")
            one.after(1)
    assert [line.strip() for line in log.screen()] == ["│ #1 \\x1b[2Jbase", "│ #2 RUN make", ""]
    assert terminal.screen() == [""]


def test_nothing_is_written_over_the_output_of_a_program() -> None:
    """Its last line may not be complete."""
    log = Log(width=80)
    with log.events.waiting(REPLICA):
        log.after(1)
        log.events.output(b"half a li")
        log.after(5)
    assert log.stream.getvalue().endswith("half a li")


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A terminal of 40 columns, and the other end of it."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield stream, master
    os.close(master)


def test_a_real_terminal_shows_the_time_that_passes(terminal: tuple[TextIO, int]) -> None:
    """By itself, without an event, in its own width."""
    stream, master = terminal
    width = live_width({"TERM": "xterm"}, stream)
    console = Console(stream, Style(), width=width, tick_seconds=0.01)
    events, shown = EventStream([console]), b""
    with events.waiting(REPLICA, host="web-1"):
        deadline = time.monotonic() + 10
        while shown.count(b"\r\x1b[K") < 3 and time.monotonic() < deadline:
            shown += os.read(master, 4096)
    events.close(5)
    stream.flush()
    shown += os.read(master, 4096)
    drawn = [part for part in shown.decode().split("\r\x1b[K") if part]
    assert len(drawn) >= 3
    assert all(len(line) < 40 and "\n" not in line for line in drawn)
    assert drawn[0].strip().startswith("web-1 waiting")
    assert shown.endswith(b"\r\x1b[K")


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}, {"TERM": "xterm", "CI": "true"}])
def test_a_dumb_terminal_and_ci_have_no_live_line(
    terminal: tuple[TextIO, int], environ: dict[str, str]
) -> None:
    """They would keep every version of it."""
    assert live_width(environ, terminal[0]) is None
    assert live_width({"TERM": "xterm"}, io.StringIO()) is None


def test_text_is_cut_by_columns() -> None:
    """A wide character takes two."""
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
    assert cut("日本語", 5) == "日…"


def test_a_long_message_is_wrapped_on_a_terminal_and_whole_in_a_log() -> None:
    """A terminal breaks in the middle of a word; whoever greps a log wants the whole line."""
    text = "failed: web-1: the replica was not healthy within 13 s: GET /healthz answers 503"
    log, terminal = Log(), Log(width=50)
    for one in (log, terminal):
        one.events.undo_started("replica-unhealthy", text)
    assert log.screen() == [f"   0.0s  {text}", ""]
    assert all(len(line) <= 50 for line in terminal.screen())
    assert " ".join("".join(terminal.stream.getvalue()).split()) == f"0.0s {text}"
