"""What the commands that only look answer: history, status, drift, monitor, doctor, docs, init."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from deploy_action.errors import ExitCode
from deploy_action.results.acts import Built, Maintained, TaskRun
from deploy_action.results.outcome import Outcome

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult
    from deploy_action.releases.model import Deployment

__all__ = [
    "Answer",
    "Check",
    "CheckState",
    "Difference",
    "DifferenceKind",
    "DoctorReport",
    "Drift",
    "History",
    "HostStatus",
    "Monitoring",
    "Page",
    "ReplicaStatus",
    "Report",
    "Status",
    "Written",
    "WrittenPath",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Every deployment of an environment, the newest first; failed ones too."""

    service: str = ""
    environment: str
    deployments: tuple[Deployment, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs."""
        return "listed"

    @property
    def exit_code(self) -> ExitCode:
        """Listing is always a success."""
        return ExitCode.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """One container of the service on one host.

    `state` is Docker's word (running, exited), `health` is healthy, unhealthy or unknown,
    `weight` the share of the edge's traffic in percent (None when it takes none), `role` is
    serving, standby, candidate or retained.
    """

    name: str
    version: str
    state: str
    health: str = "unknown"
    role: str = "serving"
    address: str = ""
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What serves on one host now; `problem` is set when the host did not answer."""

    host: str
    version: str = ""
    deployment: str = ""
    replicas: tuple[ReplicaStatus, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What serves now in an environment, host by host."""

    service: str = ""
    environment: str
    url: str = ""
    live: Deployment | None = None
    hosts: tuple[HostStatus, ...] = ()
    restorable: tuple[str, ...] = ()
    lock: str = ""
    """Who is deploying at this moment, in words; empty when nobody is."""
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs: live, empty or unknown."""
        if any(host.problem for host in self.hosts):
            return "unknown"
        return "live" if any(host.version for host in self.hosts) else "empty"

    @property
    def exit_code(self) -> ExitCode:
        """A host that does not answer is a failure."""
        return ExitCode.DEPLOYMENT_FAILED if self.result == "unknown" else ExitCode.DONE


class DifferenceKind(StrEnum):
    """Identifies what differs, for programs."""

    LEDGER_DAMAGED = "ledger-damaged"
    LEDGER_INCOMPLETE = "ledger-incomplete"
    REPLICA_MISSING = "replica-missing"
    REPLICA_CHANGED = "replica-changed"
    REPLICA_UNEXPECTED = "replica-unexpected"
    """It belongs to no release that was ever live."""
    REPLICA_RUNNING = "replica-running"
    """It should be stopped and kept."""
    EDGE_DOWN = "edge-down"
    EDGE_EDITED = "edge-edited"
    EDGE_WEIGHT = "edge-weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it was recorded.

    `subject` names it ("container shop-production-1", "edge weight of …"), `recorded` and
    `found` say both sides, `remedy` is the command that mends it.
    """

    kind: DifferenceKind
    host: str
    subject: str
    recorded: str
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How containers, edge and ledger differ from what was recorded."""

    service: str = ""
    environment: str
    version: str = ""
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs: drifted or in-sync."""
        return "drifted" if self.differences else "in-sync"

    @property
    def exit_code(self) -> ExitCode:
        """Drift is a check that did not pass."""
        return ExitCode.GATE_REFUSED if self.differences else ExitCode.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """How what is live does: health and smoke tests, run now."""

    service: str = ""
    environment: str
    url: str = ""
    version: str = ""
    checks: tuple[CheckResult, ...] = ()
    unreachable: tuple[str, ...] = ()
    """Hosts that did not answer."""
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """True when there was something to check, every host answered and every check passed."""
        return (
            bool(self.checks)
            and not self.unreachable
            and all(check.passed for check in self.checks)
        )

    @property
    def result(self) -> str:
        """The word for programs: healthy or unhealthy."""
        return "healthy" if self.healthy else "unhealthy"

    @property
    def exit_code(self) -> ExitCode:
        """Unhealthy, or nothing to look at, is a check that did not pass."""
        return ExitCode.DONE if self.healthy else ExitCode.GATE_REFUSED


class CheckState(StrEnum):
    """How a row of `doctor` stands."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row of `doctor`; `host` is empty for this machine."""

    subject: str
    state: CheckState
    detail: str = ""
    remedy: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What is there and what is missing, on this machine and on every host."""

    needs: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs: ready or not-ready."""
        missing = any(need.state is CheckState.MISSING for need in self.needs)
        return "not-ready" if missing else "ready"

    @property
    def exit_code(self) -> ExitCode:
        """Something missing is a check that did not pass."""
        return ExitCode.DONE if self.result == "ready" else ExitCode.GATE_REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document: to be printed as it is, or written to `path` already."""

    text: str
    path: str = ""

    @property
    def result(self) -> str:
        """The word for programs."""
        return "written" if self.path else "printed"

    @property
    def exit_code(self) -> ExitCode:
        """Writing a page is always a success."""
        return ExitCode.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPath:
    """A file that `init` wrote, and where its content was guessed from."""

    path: str
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that `init` made."""

    files: tuple[WrittenPath, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs."""
        return "written"

    @property
    def exit_code(self) -> ExitCode:
        """Writing files is a success."""
        return ExitCode.DONE


Answer = (
    History
    | Status
    | Drift
    | Monitoring
    | DoctorReport
    | Page
    | Written
    | Maintained
    | TaskRun
    | Built
)
Report = Outcome | Answer
