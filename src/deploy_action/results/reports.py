"""The reports of all other commands, and `Report`: the value that every command returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from deploy_action.errors import ExitCode
from deploy_action.results.outcome import Outcome

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult
    from deploy_action.releases.model import Deployment
    from deploy_action.results.notes import Note

__all__ = [
    "Built",
    "Check",
    "CheckState",
    "Difference",
    "DifferenceKind",
    "DoctorReport",
    "Drift",
    "History",
    "HostStatus",
    "Logs",
    "Maintained",
    "Monitoring",
    "Page",
    "Process",
    "Processes",
    "ReplicaStage",
    "ReplicaStatus",
    "Report",
    "Session",
    "Status",
    "TaskRun",
    "Verdict",
    "Written",
    "WrittenPath",
    "with_notes",
]


class Verdict(StrEnum):
    """A report in one word, for programs; `Result` is the same for outcomes."""

    LISTED = "listed"
    LIVE = "live"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    IN_SYNC = "in-sync"
    DRIFTED = "drifted"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    READY = "ready"
    NOT_READY = "not-ready"
    PRINTED = "printed"
    WRITTEN = "written"
    OPEN = "open"
    CLOSED = "closed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BUILT = "built"
    PUSHED = "pushed"


_EXIT_CODES = {
    Verdict.UNKNOWN: ExitCode.DEPLOYMENT_FAILED,
    Verdict.DRIFTED: ExitCode.GATE_REFUSED,
    Verdict.UNHEALTHY: ExitCode.GATE_REFUSED,
    Verdict.NOT_READY: ExitCode.GATE_REFUSED,
    Verdict.FAILED: ExitCode.DEPLOYMENT_FAILED,
}


class _Report:
    """What all reports of this module have in common."""

    __slots__ = ()

    @property
    def result(self) -> Verdict:
        """The report in one word."""
        raise NotImplementedError

    @property
    def exit_code(self) -> int:
        """The process's exit code: what is not well is never 0."""
        return _EXIT_CODES.get(self.result, ExitCode.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class History(_Report):
    """Every deployment of an environment, the newest first; failed ones too."""

    service: str = ""
    environment: str
    deployments: tuple[Deployment, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.LISTED


class ReplicaStage(StrEnum):
    """What a container of the service is there for."""

    SERVING = "serving"
    STANDBY = "standby"
    CANDIDATE = "candidate"
    RETAINED = "retained"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """One container of the service on one host.

    Attributes:
        state: Docker's word (running, exited).
        health: healthy, unhealthy or unknown.
        weight: percent of the edge's traffic; None when it takes none.
        restarts: how often its engine restarted it by itself.
        up_since: UTC in ISO 8601; empty while it does not run.
    """

    name: str
    version: str
    state: str
    health: str = "unknown"
    stage: ReplicaStage = ReplicaStage.SERVING
    address: str = ""
    weight: float | None = None
    restarts: int = 0
    up_since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What serves on one host now; `problem` is set when the host did not answer."""

    host: str
    version: str = ""
    deployment: str = ""
    replicas: tuple[ReplicaStatus, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(_Report):
    """What serves now in an environment, host by host.

    Attributes:
        current: the deployment that is live by the ledger.
        lock: who is deploying at this moment; empty when nobody is.
        unstable: what keeps replicas of the live release from counting as up and healthy.
    """

    service: str = ""
    environment: str
    url: str = ""
    current: Deployment | None = None
    hosts: tuple[HostStatus, ...] = ()
    restorable: tuple[str, ...] = ()
    lock: str = ""
    unstable: tuple[str, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        if any(host.problem for host in self.hosts):
            return Verdict.UNKNOWN
        if self.unstable:
            return Verdict.UNHEALTHY
        return Verdict.LIVE if any(host.version for host in self.hosts) else Verdict.EMPTY


class DifferenceKind(StrEnum):
    """Identifies what differs, for programs."""

    LEDGER_DAMAGED = "ledger-damaged"
    LEDGER_DISPUTED = "ledger-disputed"
    """Another host records another deployment, or one that this host does not know."""
    LEDGER_UNSIGNED = "ledger-unsigned"
    """The signature of an entry is wrong, or is missing and required."""
    REPLICA_MISSING = "replica-missing"
    REPLICA_CHANGED = "replica-changed"
    REPLICA_UNEXPECTED = "replica-unexpected"
    """It belongs to no release that was ever live."""
    REPLICA_RUNNING = "replica-running"
    """It should be stopped and kept."""
    EDGE_DOWN = "edge-down"
    EDGE_EDITED = "edge-edited"
    EDGE_ROUTE = "edge-route"
    """The edge's configuration has another route, check or timeout than the release."""
    EDGE_WEIGHT = "edge-weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it was recorded.

    Attributes:
        subject: what differs ("container shop_production_1.4.2_8", "edge weight of …").
        recorded, found: both sides.
        remedy: the command that repairs it.
    """

    kind: DifferenceKind
    host: str
    subject: str
    recorded: str
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(_Report):
    """How containers, edge and ledger differ from what was recorded."""

    service: str = ""
    environment: str
    version: str = ""
    differences: tuple[Difference, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.DRIFTED if self.differences else Verdict.IN_SYNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring(_Report):
    """Health and smoke tests of the current release, run now.

    Attributes:
        unreachable: hosts that did not answer.
        current: the deployment that is live.
    """

    service: str = ""
    environment: str
    url: str = ""
    version: str = ""
    current: Deployment | None = None
    checks: tuple[CheckResult, ...] = ()
    unreachable: tuple[str, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        # Where nothing was checked, nothing is known to be healthy.
        passed = bool(self.checks) and all(check.passed for check in self.checks)
        return Verdict.HEALTHY if passed and not self.unreachable else Verdict.UNHEALTHY


class CheckState(StrEnum):
    """The result of one check of `doctor`."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of `doctor`; `host` is empty for this machine."""

    subject: str
    state: CheckState
    detail: str = ""
    remedy: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport(_Report):
    """What is there and what is missing, on this machine and on every host."""

    checks: tuple[Check, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        missing = any(check.state is CheckState.MISSING for check in self.checks)
        return Verdict.NOT_READY if missing else Verdict.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(_Report):
    """A document: to be printed as it is, or written to `path` already."""

    text: str
    path: str = ""

    @property
    def result(self) -> Verdict:
        return Verdict.WRITTEN if self.path else Verdict.PRINTED


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPath:
    """A file that `init` wrote, and where its content was guessed from."""

    path: str
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(_Report):
    """The files that `init` made."""

    files: tuple[WrittenPath, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.WRITTEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained(_Report):
    """Whether visitors get the maintenance page now; `changed` is False where it was so already."""

    service: str
    environment: str
    url: str = ""
    on: bool
    changed: bool
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.CLOSED if self.on else Verdict.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun(_Report):
    """How a command in a one-off container of the current release ended.

    Attributes:
        code: the command's own exit code; None when it was stopped at its time limit.
        output: its last lines, both streams together.
    """

    service: str
    environment: str
    version: str
    host: str
    argv: tuple[str, ...]
    code: int | None
    duration_seconds: float
    output: tuple[str, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.SUCCEEDED if self.code == 0 else Verdict.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(_Report):
    """How a command in a running replica ended; `code` is its own exit code."""

    service: str
    environment: str
    version: str
    replica: str
    host: str
    argv: tuple[str, ...]
    code: int
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.SUCCEEDED if self.code == 0 else Verdict.FAILED

    @property
    def exit_code(self) -> int:
        """The command's own, as ssh and `docker exec` pass it on."""
        return self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs(_Report):
    """Whose logs were shown: names of containers."""

    service: str
    environment: str
    replicas: tuple[str, ...]
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.LISTED if self.replicas else Verdict.EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One container of a service, as `ps` lists it.

    Attributes:
        up_since: UTC in ISO 8601; empty while it does not run.
    """

    host: str
    service: str
    environment: str
    name: str
    version: str
    role: str
    state: str
    health: str
    restarts: int
    up_since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes(_Report):
    """Every container that deploy-action made on the hosts of an environment."""

    environment: str
    processes: tuple[Process, ...] = ()
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.LISTED if self.processes else Verdict.EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Built(_Report):
    """An image that was built.

    Attributes:
        digest: what the registry has; empty when the image was not pushed, and no other machine
            can have it.
    """

    service: str
    image: str
    version: str
    digest: str = ""
    duration_seconds: float
    notes: tuple[Note | str, ...] = ()

    @property
    def result(self) -> Verdict:
        return Verdict.PUSHED if self.digest else Verdict.BUILT


Report = (
    Outcome
    | History
    | Status
    | Drift
    | Monitoring
    | DoctorReport
    | Page
    | Written
    | Maintained
    | TaskRun
    | Session
    | Logs
    | Processes
    | Built
)


def with_notes(report: Report, notes: Sequence[Note]) -> Report:
    """Add notes to a report that has room for them."""
    if not notes or isinstance(report, Page):
        return report
    return dataclasses.replace(report, notes=(*report.notes, *notes))
