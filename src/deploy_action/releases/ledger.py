"""The ledger: one file per deployment, newest number last, and what follows from it.

Entries are replaced whole (written, synced, renamed), so a reader sees the old or the new one.
One that cannot be read (a torn disk) is skipped and named; the others stay as they are.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy_action.releases.model import Deployment, HostOutcome, Kind, Phase, Release, State
from deploy_action.session.client import Session
from deploy_action.session.requests import Request, put, recent

__all__ = [
    "Ledger",
    "current_at",
    "current_deployment",
    "decode",
    "encode",
    "merge",
    "note_unlock",
    "previous_stable",
    "succeeded_releases",
    "with_version",
]

_READ = 200
_GOOD = 50


def encode(deployment: Deployment) -> bytes:
    """Write an entry as JSON."""
    return json.dumps(dataclasses.asdict(deployment), sort_keys=True).encode()


def decode(content: bytes) -> Deployment:
    """Read an entry; unknown keys of a newer version are ignored.

    Raises:
        ValueError: it is not an entry.
    """
    try:
        data = json.loads(content)
        release = Release(**_known(Release, data.pop("release")))
        return Deployment(
            **_known(Deployment, data)
            | {
                "release": release,
                "kind": Kind(data["kind"]),
                "state": State(data["state"]),
                "warnings": tuple(data.get("warnings", ())),
                "hosts": {h: HostOutcome(o) for h, o in data.get("hosts", {}).items()},
                "phases": tuple(Phase(**_known(Phase, p)) for p in data.get("phases", ())),
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a ledger entry: {error}") from error


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in data.items() if key in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Entries of one environment, oldest first; `damaged` names files that cannot be read."""

    entries: tuple[Deployment, ...] = ()
    damaged: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Sequence[tuple[str, bytes]]) -> Ledger:
        """Put together what files say, by name."""
        entries, damaged = [], []
        for name, content in found:
            try:
                entries.append(decode(content))
            except ValueError:
                damaged.append(name)
        return cls(entries=tuple(entries), damaged=tuple(damaged))

    @classmethod
    def read(cls, session: Session, service: str, environment: str, count: int = _READ) -> Ledger:
        """Read the last `count` entries, and more where `completed` has to."""
        return session.ask(cls.reading(service, environment, count)).completed(
            session, service, environment, count
        )

    @classmethod
    def reading(cls, service: str, environment: str, count: int = _READ) -> Request[Ledger]:
        """Ask for the last `count` entries."""
        return recent(_directory(service, environment), count).then(cls.of)

    def completed(
        self, session: Session, service: str, environment: str, count: int = _READ
    ) -> Ledger:
        """Return it with more entries where too few of these have succeeded: what serves and what
        can be restored must not be forgotten after a long row of failures.

        Args:
            count: of how many files it was read.
        """
        ledger = self
        while not ledger._enough(count):
            count *= 10
            ledger = session.ask(self.reading(service, environment, count))
        return ledger

    def _enough(self, count: int) -> bool:
        good = sum(entry.state is State.SUCCEEDED for entry in self.entries)
        files = len(self.entries) + len(self.damaged)
        return count < _READ or good >= _GOOD or files < count

    @staticmethod
    def writing(deployment: Deployment) -> Request[None]:
        """Ask to add an entry or to replace it."""
        release = deployment.release
        directory = _directory(release.service, release.environment)
        return put(f"{directory}/{deployment.number:08d}.json", encode(deployment))

    @classmethod
    def write(cls, session: Session, deployment: Deployment) -> None:
        """Add an entry or replace it."""
        session.ask(cls.writing(deployment))

    @property
    def highest(self) -> int:
        """The highest number in use, a damaged entry's too; 0 in an empty ledger."""
        names = [int(name.split(".")[0]) for name in self.damaged if name[:8].isdigit()]
        return max([entry.number for entry in self.entries] + names, default=0)


def _directory(service: str, environment: str) -> str:
    return f"ledger/{service}/{environment}"


def merge(ledgers: Sequence[Ledger]) -> Ledger:
    """Join what several hosts know: by number, a finished entry before an unfinished one."""
    found: dict[int, Deployment] = {}
    for ledger in ledgers:
        for entry in ledger.entries:
            known = found.get(entry.number)
            if known is None or known.state is State.RUNNING:
                found[entry.number] = entry
    return Ledger(
        entries=tuple(found[number] for number in sorted(found)),
        damaged=tuple(name for ledger in ledgers for name in ledger.damaged),
    )


def _stack(entries: Sequence[Deployment]) -> list[Deployment]:
    """Replay what went live: a deployment goes on top, a rollback takes off what it left."""
    stack: list[Deployment] = []
    for entry in entries:
        if entry.state is not State.SUCCEEDED:
            continue
        if entry.kind is Kind.ROLLBACK:
            wanted = entry.restores or entry.release.id
            below = [i for i, old in enumerate(stack) if old.release.id == wanted]
            stack = stack[: below[-1]] if below else stack
        stack.append(entry)
    return stack


def current_deployment(entries: Sequence[Deployment]) -> Deployment | None:
    """Return the deployment whose release serves: the last that succeeded."""
    return next((e for e in reversed(entries) if e.state is State.SUCCEEDED), None)


def previous_stable(entries: Sequence[Deployment]) -> Deployment | None:
    """Return what a rollback without a version restores.

    It is the last release that succeeded before the present one and was not itself left by a
    rollback: pressing the button twice goes further back, never forward to the bad one.
    """
    stack = _stack(entries)
    if not stack:
        return None
    current = stack[-1].release
    return next(
        (entry for entry in reversed(stack[:-1]) if entry.release.id != current.id),
        None,
    )


def with_version(entries: Sequence[Deployment], version: str) -> Deployment | None:
    """Return the last deployment that succeeded with this version."""
    return next(
        (
            e
            for e in reversed(entries)
            if e.state is State.SUCCEEDED and e.release.version == version
        ),
        None,
    )


def current_at(entries: Sequence[Deployment], when: datetime) -> Deployment | None:
    """Return what served at a time (aware): the last that had succeeded by then."""
    return next(
        (
            e
            for e in reversed(entries)
            if e.state is State.SUCCEEDED and datetime.fromisoformat(e.ended_at) <= when
        ),
        None,
    )


def note_unlock(session: Session, service: str, environment: str, note: str) -> None:
    """Add a forced unlock to the newest entry, the deployment that lost its lock."""
    ledger = Ledger.read(session, service, environment, 1)
    for entry in ledger.entries:
        warnings = (*entry.warnings, note)
        Ledger.write(session, dataclasses.replace(entry, warnings=warnings))


def succeeded_releases(entries: Sequence[Deployment]) -> tuple[str, ...]:
    """Return the ids of releases that have succeeded, newest first."""
    ids = [entry.release.id for entry in reversed(entries) if entry.state is State.SUCCEEDED]
    return tuple(dict.fromkeys(ids))
