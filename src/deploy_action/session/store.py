"""The ledger's files on one host: read and written through the host's session.

Every environment has a directory with one file per deployment, whose name is its number. A file is
replaced whole (written, synced, renamed), so that a reader sees the old or the new entry. While a
deployment runs, its own entry is the journal: the step that is about to begin is written there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.releases.ledger import Ledger, encode, file_name
from deploy_action.releases.model import Deployment, State
from deploy_action.releases.signatures import Signatures
from deploy_action.session.client import Session
from deploy_action.session.queries import Query, put, recent, reserve, sequence
from deploy_action.session.signals import clear_command

__all__ = ["LedgerStore"]

_COUNT = 200
_SUCCEEDED = 50
_MOST = 2000


@dataclass(frozen=True, slots=True)
class LedgerStore:
    """The ledger of a service's environment on the host of `session`."""

    session: Session
    service: str
    environment: str
    signatures: Signatures = field(default_factory=Signatures)
    host: str = ""
    """The host's name in deploy.yaml, for which its entries are signed."""

    @property
    def directory(self) -> str:
        """Path of the entries below the state volume."""
        return f"ledger/{self.service}/{self.environment}"

    def read(self, count: int = _COUNT) -> Ledger:
        """Read the last `count` entries, and more where `complete` needs them."""
        return self.complete(self.session.ask(self.read_query(count)), count)

    def read_query(self, count: int = _COUNT) -> Query[Ledger]:
        """Query the last `count` entries; pass the result to `complete`."""
        return recent(self.directory, count).map(
            lambda files: Ledger.from_files(
                files,
                self.service,
                self.environment,
                host=self.host,
                signatures=self.signatures,
            )
        )

    def complete(self, ledger: Ledger, count: int = _COUNT) -> Ledger:
        """Read further back where fewer than 50 entries have succeeded: a long series of failures
        must not hide the current release and those that can be restored. No more than 2000 are read:
        whoever writes to the host may have filled the directory.

        Args:
            count: the number of entries that `ledger` was read with; below 200 it is left as it is.

        Raises:
            DeploymentFailed: none of them tells of a success: what is live is unknown.
        """
        if count < _COUNT or ledger.size < count or _successes(ledger) >= _SUCCEEDED:
            return ledger
        ledger = self.session.ask(self.read_query(_MOST))
        if ledger.size >= _MOST and not _successes(ledger):
            raise DeploymentFailed(
                f"{self.session.host}: none of the last {_MOST} records of {self.service} "
                f"({self.environment}) tells of a success",
                cause="without one it is not known what is live there; another program has filled "
                f"{self.directory}, or every deployment failed",
                remedy=f"deploy-action doctor -e {self.environment}, and look into that directory of "
                "the state volume",
                code=ErrorCode.LEDGER_DAMAGED,
            )
        return ledger

    def begin(self, deployment: Deployment) -> None:
        """Write the entry of a deployment that begins, and reserve disk space for its outcome.

        Raises:
            DeploymentFailed: the host's disk is full.
        """
        self.session.ask(
            sequence(
                reserve(),
                clear_command(self.service, self.environment),
                self.write_query(deployment),
            )
        )

    def write(self, deployment: Deployment, *, sign: bool = True) -> None:
        """Add or replace an entry.

        Args:
            sign: False for an entry that was read without a valid signature.
        """
        self.session.ask(self.write_query(deployment, sign=sign))

    def write_query(self, deployment: Deployment, *, sign: bool = True) -> Query[None]:
        """Query that adds or replaces an entry."""
        signatures = self.signatures if sign else None
        content = encode(deployment, signatures, host=self.host)
        return put(f"{self.directory}/{file_name(deployment)}", content)

    def add_warning(self, warning: str) -> None:
        """Add a warning to the newest entry."""
        newest = self.read(1)
        for entry in newest.entries:
            warned = dataclasses.replace(entry, warnings=(*entry.warnings, warning))
            self.write(warned, sign=entry.number in newest.signed)


def _successes(ledger: Ledger) -> int:
    return sum(entry.state is State.SUCCEEDED for entry in (*ledger.entries, *ledger.rejected))
