"""The ledger's files on one host: read and written through the host's session.

Every environment has a directory with one file per deployment, whose name is its number. A file is
replaced whole (written, synced, renamed), so that a reader sees the old or the new entry. While a
deployment runs, its own entry is the journal: the step that is about to begin is written there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from deploy_action.releases.ledger import Ledger, encode, file_name
from deploy_action.releases.model import Deployment, State
from deploy_action.session.client import Session
from deploy_action.session.queries import Query, put, recent, reserve, sequence
from deploy_action.session.signals import clear_command

__all__ = ["LedgerStore"]

_COUNT = 200
_SUCCEEDED = 50


@dataclass(frozen=True, slots=True)
class LedgerStore:
    """The ledger of a service's environment on the host of `session`."""

    session: Session
    service: str
    environment: str

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
            lambda files: Ledger.from_files(files, self.service, self.environment)
        )

    def complete(self, ledger: Ledger, count: int = _COUNT) -> Ledger:
        """Read further back where fewer than 50 entries have succeeded: a long series of failures
        must not hide the current release and those that can be restored.

        Args:
            count: the number of entries that `ledger` was read with; below 200 it is left as it is.
        """
        while count >= _COUNT and len(ledger.entries) + len(ledger.damaged) >= count:
            if sum(entry.state is State.SUCCEEDED for entry in ledger.entries) >= _SUCCEEDED:
                break
            count *= 10
            ledger = self.session.ask(self.read_query(count))
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

    def write(self, deployment: Deployment) -> None:
        """Add or replace an entry."""
        self.session.ask(self.write_query(deployment))

    def write_query(self, deployment: Deployment) -> Query[None]:
        """Query that adds or replaces an entry."""
        return put(f"{self.directory}/{file_name(deployment)}", encode(deployment))

    def add_warning(self, warning: str) -> None:
        """Add a warning to the newest entry."""
        for entry in self.read(1).entries:
            self.write(dataclasses.replace(entry, warnings=(*entry.warnings, warning)))
