"""Several requests in one round trip: their order, a refusal among them, an end in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.support.errors import fails_with

from deploy_action.errors import ErrorCode, SessionLost
from deploy_action.session.client import Session
from deploy_action.session.queries import get, optional, pair, ping, put, recent, reserve, sequence

_DEADLINE_SECONDS = 10.0


class ScriptedSession:
    """The other end: says what it is told to, and keeps what it was asked."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.reader = stream, stream.makefile("rb")
        self.asked: list[str] = []

    def take(self, count: int = 1) -> None:
        """Read requests, each with its payload."""
        for _ in range(count):
            line = self.reader.readline().decode().strip()
            self.asked.append(line)
            words = line.split()
            if words and words[0] == "put":
                assert len(self.reader.read(int(words[2]))) == int(words[2])

    def answer(self, status: str, content: bytes = b"") -> None:
        """Answer one."""
        self.stream.sendall(b"%s %d\n%s" % (status.encode(), len(content), content))

    def end(self) -> None:
        """End, as a killed container does."""
        self.stream.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def talking(
    script: Callable[[ScriptedSession], None],
) -> Iterator[tuple[Session, ScriptedSession]]:
    """Have a conversation with a session that follows a script."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(_DEADLINE_SECONDS)
    session = ScriptedSession(theirs)
    thread = threading.Thread(target=script, args=(session,), daemon=True)
    client = Session("a", ours)
    ours.settimeout(_DEADLINE_SECONDS)
    thread.start()
    try:
        yield client, session
    finally:
        client.close()
        thread.join(_DEADLINE_SECONDS)
        session.reader.close()
        theirs.close()
        assert not thread.is_alive()


def test_all_is_sent_before_anything_is_answered() -> None:
    """One round trip, in order, and each gets its own answer."""

    def script(session: ScriptedSession) -> None:
        session.take(3)
        session.answer("ok", b"one")
        session.answer("none")
        session.answer("ok")

    with talking(script) as (client, session):
        answers = client.ask(pair(pair(get("a"), get("b")), put("c", b"three")))
        assert answers == ((b"one", None), None)
        assert session.asked == ["get a", "get b", "put c 5"]


def test_a_refusal_leaves_no_answer_behind() -> None:
    """The first one is told, and the next request gets its own answer."""

    def script(session: ScriptedSession) -> None:
        session.take(3)
        session.answer("ok")
        session.answer("error", b"No space left on device")
        session.answer("error", b"later")
        session.take()
        session.answer("ok", b"mine")

    with talking(script) as (client, _):
        with fails_with(ErrorCode.DISK_FULL):
            client.ask(sequence(ping(), reserve(), put("a", b"")))
        assert client.get("b") == b"mine"


def test_what_is_optional_may_be_refused() -> None:
    """The others' answers count all the same."""

    def script(session: ScriptedSession) -> None:
        session.take(2)
        session.answer("error", b"the edge is down")
        session.answer("ok", b"content")

    with talking(script) as (client, _):
        assert client.ask(pair(optional(ping().map(lambda _: "up")), get("a"))) == (
            None,
            b"content",
        )


def test_an_end_in_the_middle_is_the_end_of_all() -> None:
    """What the session still did is not known, so that no answer of it counts; optional or not."""

    def script(session: ScriptedSession) -> None:
        session.take(2)
        session.answer("ok", b"one")
        session.end()

    with talking(script) as (client, _):
        with pytest.raises(SessionLost):
            client.ask(pair(get("a"), optional(ping())))
        with pytest.raises(SessionLost):
            client.ping()


def test_a_signal_in_the_middle_ends_the_session() -> None:
    """An answer is on its way, and the next request would take it for its own."""
    answered = threading.Event()

    def script(session: ScriptedSession) -> None:
        session.take(2)
        session.answer("ok", b"one")
        answered.wait(_DEADLINE_SECONDS)
        session.take()

    class Interrupted:
        """Hears the signal while it waits for the second answer."""

        def __init__(self, client: Session) -> None:
            self.reader, self.lines = client._reader, 0

        def readline(self, _limit: int) -> bytes:
            self.lines += 1
            if self.lines == 2:
                raise KeyboardInterrupt
            return self.reader.readline()

        def read(self, size: int) -> bytes:
            return self.reader.read(size)

        def close(self) -> None:
            self.reader.close()

    with talking(script) as (client, session):
        client._reader = Interrupted(client)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            client.ask(pair(get("a"), get("b")))
        answered.set()
        with pytest.raises(SessionLost):
            client.ping()
    assert session.asked == ["get a", "get b", ""]


def test_large_requests_do_not_wait_for_answers_that_nobody_takes() -> None:
    """A session reads nothing while its answer is not taken; more than the pipes hold is sent later."""
    large = b"x" * 4_000_000

    def script(session: ScriptedSession) -> None:
        session.take()
        session.answer("ok", large)
        session.take()
        session.answer("ok", b"9 a.json\nsmall one")

    with talking(script) as (client, _):
        found, _ = client.ask(pair(get("a"), put("b", large)))
        assert found == large

    def other(session: ScriptedSession) -> None:
        session.take()
        session.answer("ok", b"9 a.json\nsmall one")
        session.take()
        session.answer("ok")

    with talking(other) as (client, session):
        assert client.ask(pair(recent("a", 1), put("b", b"a\0b"))) == (
            (("a.json", b"small one"),),
            None,
        )
        assert session.asked == ["recent a 1", "put b 3 raw"]
