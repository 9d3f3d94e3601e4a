"""The story: a first release, an upgrade under load, a broken release, a rollback; all checked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.load_probe import Load, Probe

from demo.command import Show, ask, run
from demo.stage import Stage
from demo.teller import Teller

__all__ = ["StoryFailed", "tell"]

_RATE = 60
_SLOW_SECONDS = 1.0


class StoryFailed(Exception):
    """An expectation of the story was not met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """The result of one chapter, for the table at the end."""

    name: str
    seconds: float
    sent: int
    lost: int
    serves: str


@dataclass(slots=True, kw_only=True)
class Play:
    """The state of the running story."""

    stage: Stage
    teller: Teller
    customers: dict[str, Probe] = field(default_factory=dict)
    chapters: list[Chapter] = field(default_factory=list)

    def command(self, *argv: str, exit_code: int = 0, show: Show = Show.STEPS) -> None:
        """Run a command that must end with `exit_code`."""
        ended = run(self.stage, self.teller, *argv, show=show, exit_code=exit_code)
        if ended != exit_code:
            raise StoryFailed(f"deploy-action {argv[0]} ended with {ended}, not {exit_code}")

    def open_shop(self, environment: str, port: int) -> None:
        """Start to send and count requests."""
        load = Load(
            keep_alive=3,
            new=2,
            post=1,
            slow=1,
            slow_path=f"/slow?seconds={_SLOW_SECONDS:g}",
            slow_seconds=_SLOW_SECONDS,
            timeout_seconds=30,  # a late answer is not a lost one
            rate=_RATE,
            host_header=f"localhost:{port}",
        )
        probe = self.customers[environment] = Probe(f"http://127.0.0.1:{port}/version", load)
        probe.start()
        probe.wait(lambda seen: seen.ok >= 10)

    @contextlib.contextmanager
    def chapter(self, title: str, name: str, environment: str, *, serves: str) -> Iterator[None]:
        """Run a chapter and record its duration, requests, losses and the version that serves."""
        self.teller.chapter(title)
        (sent, lost), begun = self._counts(), time.monotonic()
        yield
        took = time.monotonic() - begun
        self._await_answers(environment, serves)
        now_sent, now_lost = self._counts()
        told = Chapter(
            name=name, seconds=took, sent=now_sent - sent, lost=now_lost - lost, serves=serves
        )
        self.chapters.append(told)
        self.teller.came_of_it(
            f"{told.seconds:.1f} s, {told.sent:,} requests, {told.lost} lost; "
            f"{environment} is served by {serves}"
        )

    def _await_answers(self, environment: str, version: str) -> None:
        """Wait until only this version answers, and check that nothing was lost."""
        probe = self.customers.get(environment)
        if probe is None:
            port = getattr(self.stage, environment)
            self.open_shop(environment, port)
            probe = self.customers[environment]
        before = {seen.version: seen.answers for seen in probe.snapshot().versions}
        try:
            now = probe.wait(
                lambda seen: any(
                    entry.version == version and entry.answers >= before.get(version, 0) + 20
                    for entry in seen.versions
                )
            )
        except TimeoutError as error:
            raise StoryFailed(f"{environment} is not served by {version}: {error}") from error
        others = [
            entry.version
            for entry in now.versions
            if entry.version != version and entry.answers > before.get(entry.version, 0)
        ]
        if others:
            raise StoryFailed(f"{environment} is still served by {', '.join(others)} as well")
        self.require_no_loss()

    def require_no_loss(self) -> None:
        """Stop the story at the first lost request."""
        for environment, probe in self.customers.items():
            seen = probe.snapshot()
            if seen.lost:
                raise StoryFailed(f"{environment}: {seen}; the first: {seen.examples[0]}")

    def _counts(self) -> tuple[int, int]:
        """Return the number of requests sent and lost so far."""
        seen = [probe.snapshot() for probe in self.customers.values()]
        return sum(one.sent for one in seen), sum(one.lost for one in seen)


def tell(stage: Stage, teller: Teller) -> None:
    """Run the whole story.

    Raises:
        StoryFailed: a request was lost, the wrong version serves, or an exit code is unexpected.
    """
    stage.clear()
    stage.build()
    play = Play(stage=stage, teller=teller)
    teller.title(
        "deploy-action: deployments that roll back automatically",
        "A small shop with staging and production, on the Docker engine of this machine.",
        f"Each receives {_RATE} requests a second throughout, over kept and new connections,",
        f"including uploads and answers that take {_SLOW_SECONDS:g} s. Every answer is counted.",
    )
    try:
        _acts(play)
        _curtain(play)
    finally:
        for probe in play.customers.values():
            probe.stop()


def _acts(play: Play) -> None:
    stage = play.stage
    with play.chapter("The first release", "first release", "production", serves="1.0.0"):
        play.command("deploy", "-e", "staging", "--version", "1.0.0")
        play.command("promote", "-e", "production", show=Show.HEADLINE)
    _same_digest(play)
    play.open_shop("staging", stage.staging)

    with play.chapter("Version 2, under load", "v2 under load", "production", serves="2.0.0"):
        play.command("deploy", "-e", "staging", "--version", "2.0.0", show=Show.HEADLINE)
        play.command("promote", "-e", "production", show=Show.WHOLE)
    _same_digest(play)

    title = "Version 3 answers its health checks, but is broken"
    with play.chapter(title, "broken v3 undone", "staging", serves="2.0.0"):
        play.command("deploy", "-e", "staging", "--version", "3.0.0-broken", exit_code=4)
        play.command("promote", "-e", "production", "--version", "3.0.0-broken", exit_code=3)

    title = "A rollback by hand to version 1"
    with play.chapter(title, "rolled back to v1", "production", serves="1.0.0"):
        play.command("rollback", "-e", "production", "--reason", "prices are wrong")

    play.teller.chapter("The ledger on the hosts")
    play.command("history", "-e", "staging", "--limit", "1", show=Show.WHOLE)
    play.command("status", "-e", "production", show=Show.WHOLE)


def _same_digest(play: Play) -> None:
    digests = {
        environment: str(
            ask(play.stage, "status", "-e", environment)["current"]["release"]["digest"]
        )
        for environment in ("staging", "production")
    }
    if len(set(digests.values())) != 1:
        raise StoryFailed(f"staging and production differ: {digests}")
    play.teller.came_of_it(
        f"staging and production run the same digest, {digests['production'][:19]}"
    )


def _curtain(play: Play) -> None:
    """Count everything once more, after the last request has ended."""
    play.require_no_loss()
    results = {name: probe.stop() for name, probe in play.customers.items()}
    teller, stage = play.teller, play.stage
    for environment, seen in results.items():
        if seen.lost or seen.unfinished:
            raise StoryFailed(f"{environment}: {seen}")
    teller.say("", f"{'':20}{'took':>8}{'requests':>12}{'lost':>8}   serves")
    for chapter in play.chapters:
        teller.say(
            f"{chapter.name:20}{chapter.seconds:>6.1f} s{chapter.sent:>12,}{chapter.lost:>8}   {chapter.serves}"
        )
    sent, lost = sum(s.sent for s in results.values()), sum(s.lost for s in results.values())
    teller.done(
        f"{sent:,} requests, {lost} lost. Production serves 1.0.0 at http://localhost:{stage.production}/"
    )
    teller.say(
        "",
        "look around   cd build/demo && ../../.venv/bin/deploy-action status -e production",
        "clean up      make clean-demo",
        "",
    )
