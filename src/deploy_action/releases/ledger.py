"""The ledger as values: its entries, newest number last, and what follows from them.

An entry that cannot be read is skipped and named. Every host keeps a ledger of its own, and no host is
trusted with another one: from the others a host only learns how a deployment has ended that it records
itself, with the same content. Reading and writing: session/store.py.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from deploy_action.config.references import is_digest, is_repository, is_version
from deploy_action.config.serialize import decode_as
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.releases.model import Deployment, Kind, Release, State
from deploy_action.releases.signatures import Signatures

__all__ = [
    "Ledger",
    "current_at",
    "current_deployment",
    "decode",
    "disputes",
    "encode",
    "file_name",
    "is_live",
    "is_same",
    "merge",
    "previous_stable",
    "succeeded",
    "succeeded_releases",
    "unsigned_notes",
    "with_version",
]

_FORMAT = 1
_MAX_BYTES = 1 << 20
_MAX_NUMBER = 99_999_999
_MAX_REPLICAS = 1000
_DISPUTES = 3
_SIGNATURE = "signature"


_ANY = Signatures()


def file_name(deployment: Deployment) -> str:
    """Name the file of an entry."""
    return f"{deployment.number:08d}.json"


def encode(
    deployment: Deployment, signatures: Signatures | None = None, *, host: str = ""
) -> bytes:
    """Write an entry as JSON, signed for a host if there is a key."""
    content = {"format": _FORMAT} | dataclasses.asdict(deployment)
    signature = "" if signatures is None else signatures.sign(content, host)
    if signature:
        content[_SIGNATURE] = signature
    return json.dumps(content, sort_keys=True).encode()


def decode(content: bytes) -> Deployment:
    """Read an entry, which a host has written: unknown keys are ignored, and nothing is taken for what
    it is not.

    Raises:
        ValueError: it is not an entry of this format, or too large to be one.
    """
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError(f"{len(content)} bytes, more than {_MAX_BYTES}")
        data = json.loads(content)
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r}, not {_FORMAT}")
        entry = decode_as(Deployment, data)
        release = entry.release
        _require_zone(entry.started_at)
        if entry.ended_at or entry.state is State.SUCCEEDED:
            _require_zone(entry.ended_at)
        if not 0 < entry.number <= _MAX_NUMBER:
            raise ValueError(f"the number {entry.number}")
        versions = (release.version, entry.previous_version or release.version)
        if not (all(map(is_version, versions)) and is_digest(release.digest)):
            raise ValueError(f"a version of {versions!r} or the digest {release.digest!r}")
        if not is_repository(release.image):
            raise ValueError(f"the image {release.image[:80]!r}")
        if not release.roles or not all(
            0 < role.replicas <= _MAX_REPLICAS for role in release.roles
        ):
            raise ValueError("the number of replicas")
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"not a ledger entry: {error}") from error
    return entry


def _require_zone(time: str) -> None:
    """Raise ValueError where a text is no time, or one that says nothing without its zone."""
    if datetime.fromisoformat(time).tzinfo is None:
        raise ValueError(f"the time {time!r} has no zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Entries of one environment, oldest first: one host's, or what several hosts say together.

    Attributes:
        damaged: names of files that cannot be read.
        hosts: what each host records itself; empty in the ledger of one host.
        disputed: by number, the hosts that record another deployment than `entries` has, or lack
            one that succeeded.
        signed: numbers of the entries of one host whose signature is right; of several hosts those
            that all who signed them tell alike.
        unsigned: by number, what is wrong with the signature of an entry of one host.
        rejected: entries that therefore do not count.
    """

    entries: tuple[Deployment, ...] = ()
    damaged: tuple[str, ...] = ()
    hosts: Mapping[str, tuple[Deployment, ...]] = field(default_factory=dict)
    disputed: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    signed: frozenset[int] = frozenset()
    unsigned: Mapping[int, str] = field(default_factory=dict)
    rejected: tuple[Deployment, ...] = ()

    def of(self, host: str) -> tuple[Deployment, ...]:
        """Return what a host records itself: all that may decide what it runs."""
        return self.hosts.get(host, ())

    @classmethod
    def from_files(
        cls,
        files: Sequence[tuple[str, bytes]],
        service: str,
        environment: str,
        *,
        host: str = "",
        signatures: Signatures = _ANY,
    ) -> Ledger:
        """Read entries of an environment from (name, content) of their files on a host, oldest first."""
        entries: list[Deployment] = []
        rejected: list[Deployment] = []
        damaged: list[str] = []
        signed: set[int] = set()
        unsigned: dict[int, str] = {}
        for name, content in files:
            try:
                entry = decode(content)
            except ValueError:
                damaged.append(name)
                continue
            release = entry.release
            own = (release.service, release.environment) == (service, environment)
            if not own or name != file_name(entry):
                damaged.append(name)
                continue
            data = json.loads(content)
            signature = data.pop(_SIGNATURE, "")
            why = signatures.refusal(data, signature, host)
            if why:
                unsigned[entry.number] = why
            elif signature and signatures.key is not None:
                signed.add(entry.number)
            # Without a key there is nothing to decide by: commands that change something refuse.
            counts = not why or not signatures.required or signatures.key is None
            (entries if counts else rejected).append(entry)
        return cls(
            entries=tuple(entries),
            damaged=tuple(damaged),
            signed=frozenset(signed),
            unsigned=unsigned,
            rejected=tuple(rejected),
        )

    def require_signed(self, host: str) -> None:
        """Make sure that what one host records as live counts.

        Raises:
            DeploymentFailed: it has no valid signature, and deploy.yaml requires one.
        """
        current = current_deployment(self.entries)
        known = 0 if current is None else current.number
        newer = [e for e in self.rejected if e.state is State.SUCCEEDED and e.number > known]
        if newer:
            last = newer[-1]
            raise DeploymentFailed(
                f"{host}: the record of deployment {last.number} ({last.release.version}), which is "
                f"live there by it, {self.unsigned[last.number]}",
                cause="deploy.yaml requires a signed ledger, and what is not signed is not restored",
                remedy="if the record is yours: deploy once with ledger: {signed: optional} and the "
                "key, then require it again; if not, another user writes to the host",
                code=ErrorCode.LEDGER_UNSIGNED,
            )

    @property
    def vouched(self) -> tuple[Deployment, ...]:
        """The signed entries whose content came from a deployer: they count on every host. That of a
        rollback or a restart came from a ledger."""
        return tuple(
            entry
            for entry in self.entries
            if entry.number in self.signed and entry.kind in (Kind.DEPLOY, Kind.PROMOTE)
        )

    @property
    def agreed(self) -> tuple[Deployment, ...]:
        """The entries that every host records, with the same end: what one host alone says proves
        nothing elsewhere. A host that joined later has nothing to say about what was before."""
        own = [{e.number: e for e in entries} for entries in self.hosts.values() if entries]
        vouched = {entry.number for entry in self.vouched}
        return tuple(
            entry
            for entry in self.entries
            if entry.number in vouched
            or all(_confirms(known.get(entry.number), entry, min(known)) for known in own)
        )

    @property
    def size(self) -> int:
        """The number of files that it was read from."""
        return len(self.entries) + len(self.damaged) + len(self.rejected)

    @property
    def highest(self) -> int:
        """The highest number in use, a damaged entry's too; 0 in an empty ledger."""
        names = [int(name.split(".")[0]) for name in self.damaged if name[:8].isdigit()]
        known = [entry.number for entry in (*self.entries, *self.rejected)]
        return max(known + names, default=0)


def merge(ledgers: Mapping[str, Ledger]) -> Ledger:
    """Join the ledgers of several hosts, for people to read and for the next number.

    Where hosts record different deployments under one number, a signed one counts, else the one that
    most of them have, and of equally many the first.

    Args:
        ledgers: by host.
    """
    known: dict[int, dict[str, Deployment]] = {}
    for host, ledger in ledgers.items():
        for entry in ledger.entries:
            known.setdefault(entry.number, {})[host] = entry
    entries: list[Deployment] = []
    hosts: dict[str, list[Deployment]] = {host: [] for host in ledgers}
    disputed: dict[int, tuple[str, ...]] = {}
    signed: set[int] = set()
    for number in sorted(known):
        by_host = known[number]
        signers = [host for host in by_host if number in ledgers[host].signed]
        # A signed entry learns its end from a signed one only.
        told = {
            host: _with_outcome(
                entry, [by_host[h] for h in (signers if host in signers else by_host)]
            )
            for host, entry in by_host.items()
        }
        for host, entry in told.items():
            hosts[host].append(entry)
        chosen = max(
            (told[host] for host in signers or told),
            key=lambda entry: sum(is_same(e, entry) for e in told.values()),
        )
        if signers and all(_confirms(told[host], chosen, 0) for host in signers):
            signed.add(number)
        entries.append(chosen)
        others = [host for host, entry in told.items() if not is_same(entry, chosen)]
        if chosen.state is State.SUCCEEDED:
            # A host that joined later has nothing to say about what was before.
            others += [
                host
                for host, ledger in ledgers.items()
                if host not in told and ledger.entries and ledger.entries[0].number <= number
            ]
        if others:
            disputed[number] = tuple(others)
    return Ledger(
        entries=tuple(entries),
        damaged=tuple(name for ledger in ledgers.values() for name in ledger.damaged),
        hosts={host: tuple(own) for host, own in hosts.items()},
        disputed=disputed,
        signed=frozenset(signed),
        rejected=tuple(entry for ledger in ledgers.values() for entry in ledger.rejected),
    )


def is_live(ledger: Ledger, release: Release, hosts: Iterable[str]) -> bool:
    """Tell whether a release is live already, on every host that records any."""
    current = [current_deployment(ledger.of(host)) for host in hosts]
    live = [entry.release for entry in current if entry is not None]
    # A restart differs from what it restarts, and is not done again for the same content.
    same = {r.id if release.restart else r.content_id for r in live}
    return same == {release.id}


def disputes(ledger: Ledger) -> tuple[str, ...]:
    """Say of the newest disputed entries who does not record them."""
    by_number = {entry.number: entry for entry in ledger.entries}
    return tuple(
        f"{', '.join(hosts)}: no record of deployment {number} ({by_number[number].release.version}, "
        f"{by_number[number].id}) as other hosts have it; each host keeps to its own ledger"
        for number, hosts in list(ledger.disputed.items())[-_DISPUTES:]
    )


def unsigned_notes(host: str, ledger: Ledger) -> tuple[str, ...]:
    """Say of the newest entries of a host what is wrong with their signature."""
    rejected = {entry.number for entry in ledger.rejected}
    return tuple(
        f"{host}: the record of deployment {number} {why}"
        + (" and does not count" if number in rejected else "")
        for number, why in list(ledger.unsigned.items())[-_DISPUTES:]
    )


def is_same(one: Deployment, other: Deployment) -> bool:
    """Tell whether two hosts record the same deployment, however it ended."""
    return _begin(one) == _begin(other)


def _confirms(known: Deployment | None, entry: Deployment, first: int) -> bool:
    if known is None:
        return entry.number < first
    return is_same(known, entry) and known.state is entry.state


def _begin(entry: Deployment) -> tuple[object, ...]:
    return (
        *(entry.number, entry.id, entry.kind, entry.release),
        *(entry.previous, entry.restores, entry.started_at),
    )


def _with_outcome(entry: Deployment, others: Iterable[Deployment]) -> Deployment:
    """Return an entry as another host says that it ended, where its own host does not know."""
    if entry.state is not State.RUNNING:
        return entry
    ended = (e for e in others if e.state is not State.RUNNING and is_same(e, entry))
    return next(ended, entry)


def succeeded(entries: Sequence[Deployment]) -> Sequence[Deployment]:
    """Return the deployments that succeeded since the service was removed last, oldest first."""
    good = [entry for entry in entries if entry.state is State.SUCCEEDED]
    removals = [number for number, entry in enumerate(good) if entry.kind is Kind.REMOVE]
    return good[removals[-1] + 1 :] if removals else good


def _stack(entries: Sequence[Deployment]) -> list[Deployment]:
    """Replay what went live: a deployment goes on top, a rollback takes off what it left."""
    stack: list[Deployment] = []
    for entry in succeeded(entries):
        if entry.kind is Kind.ROLLBACK:
            target = entry.restores or entry.release.id
            below = [i for i, old in enumerate(stack) if old.release.id == target]
            stack = stack[: below[-1]] if below else stack
        stack.append(entry)
    return stack


def current_deployment(entries: Sequence[Deployment]) -> Deployment | None:
    """Return the deployment whose release serves: the last that succeeded."""
    return next(reversed(succeeded(entries)), None)


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
        (e for e in reversed(stack[:-1]) if e.release.content_id != current.content_id),
        None,
    )


def with_version(entries: Sequence[Deployment], version: str) -> Deployment | None:
    """Return the last deployment that succeeded with this version."""
    return next((e for e in reversed(succeeded(entries)) if e.release.version == version), None)


def current_at(entries: Sequence[Deployment], when: datetime) -> Deployment | None:
    """Return what served at a time (aware): the last that had succeeded by then."""
    live = reversed(succeeded(entries))
    return next((e for e in live if datetime.fromisoformat(e.ended_at) <= when), None)


def succeeded_releases(entries: Sequence[Deployment]) -> tuple[str, ...]:
    """Return the ids of releases that have succeeded, newest first."""
    ids = [entry.release.id for entry in reversed(succeeded(entries))]
    return tuple(dict.fromkeys(ids))
