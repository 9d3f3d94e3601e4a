"""The ledger as values: its entries, newest number last, and what follows from them.

An entry that cannot be read is skipped and named. Reading and writing: session/store.py.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy_action.releases.model import Deployment, HostOutcome, Kind, Phase, Release, Role, State

__all__ = [
    "Ledger",
    "current_at",
    "current_deployment",
    "decode",
    "encode",
    "merge",
    "previous_stable",
    "succeeded_releases",
    "with_version",
]

_FORMAT = 1


def encode(deployment: Deployment) -> bytes:
    """Write an entry as JSON."""
    content = {"format": _FORMAT} | dataclasses.asdict(deployment)
    return json.dumps(content, sort_keys=True).encode()


def decode(content: bytes) -> Deployment:
    """Read an entry; unknown keys are ignored.

    Raises:
        ValueError: it is not an entry of this format.
    """
    try:
        data = json.loads(content)
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r}, not {_FORMAT}")
        stored = _known(Release, data.pop("release"))
        roles = tuple(Role(**_known(Role, role)) for role in stored["roles"])
        release = Release(**stored | {"roles": roles})
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
    def from_files(cls, files: Sequence[tuple[str, bytes]]) -> Ledger:
        """Read entries from (name, content) of their files, oldest first."""
        entries, damaged = [], []
        for name, content in files:
            try:
                entries.append(decode(content))
            except ValueError:
                damaged.append(name)
        return cls(entries=tuple(entries), damaged=tuple(damaged))

    @property
    def highest(self) -> int:
        """The highest number in use, a damaged entry's too; 0 in an empty ledger."""
        names = [int(name.split(".")[0]) for name in self.damaged if name[:8].isdigit()]
        return max([entry.number for entry in self.entries] + names, default=0)


def merge(ledgers: Sequence[Ledger]) -> Ledger:
    """Join what several hosts know: by number, a finished entry before an unfinished one."""
    merged: dict[int, Deployment] = {}
    for ledger in ledgers:
        for entry in ledger.entries:
            known = merged.get(entry.number)
            if known is None or known.state is State.RUNNING:
                merged[entry.number] = entry
    return Ledger(
        entries=tuple(merged[number] for number in sorted(merged)),
        damaged=tuple(name for ledger in ledgers for name in ledger.damaged),
    )


def _stack(entries: Sequence[Deployment]) -> list[Deployment]:
    """Replay what went live: a deployment goes on top, a rollback takes off what it left."""
    stack: list[Deployment] = []
    for entry in entries:
        if entry.state is not State.SUCCEEDED:
            continue
        if entry.kind is Kind.ROLLBACK:
            target = entry.restores or entry.release.id
            below = [i for i, old in enumerate(stack) if old.release.id == target]
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


def succeeded_releases(entries: Sequence[Deployment]) -> tuple[str, ...]:
    """Return the ids of releases that have succeeded, newest first."""
    ids = [entry.release.id for entry in reversed(entries) if entry.state is State.SUCCEEDED]
    return tuple(dict.fromkeys(ids))
