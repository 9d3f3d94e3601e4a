"""The steps of a plan: what is done where, as values that say themselves in words."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.config.model import Hook

__all__ = [
    "Bake",
    "CheckEdge",
    "CheckReplica",
    "Pause",
    "Pull",
    "Record",
    "Retire",
    "RunHook",
    "Shift",
    "Start",
    "Step",
    "StopOld",
    "Verify",
    "count",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Have the image on the host, by digest."""

    host: str
    reference: str

    def __str__(self) -> str:
        return f"pull {self.reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook:
    """Run a hook in a one-off container of the new image."""

    host: str
    hook: Hook
    when: str

    def __str__(self) -> str:
        return f"run the {self.when} hook {self.hook.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOld:
    """Stop what serves, because both cannot run at once: the announced gap begins."""

    host: str

    def __str__(self) -> str:
        return "stop the old replicas (stop-first: nothing serves from here on)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start one new replica, or the one that was kept, beside the old ones."""

    host: str
    index: int
    kept: str | None = None
    """Name of the container that is there already."""
    standby: bool = False
    """It runs already, too."""

    def __str__(self) -> str:
        if self.standby:
            return f"replica {self.index + 1} stands by already: {self.kept}"
        what = f"the kept container {self.kept}" if self.kept else "a new container"
        return f"start replica {self.index + 1}: {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Wait until the replica is healthy and prove that it is this release."""

    host: str
    index: int
    standby: bool = False
    """It ran before already, so that there is little to wait for."""

    def __str__(self) -> str:
        return f"wait until replica {self.index + 1} is healthy and is this release"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReplica:
    """Run the smoke tests against a replica that has no traffic yet."""

    host: str
    index: int
    tests: int

    def __str__(self) -> str:
        return f"run {count(self.tests, 'smoke test')} against replica {self.index + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Give the new replicas their percentage of the traffic."""

    host: str
    percent: int

    def __str__(self) -> str:
        return f"shift {self.percent} % of the traffic to the new release"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEdge:
    """Run the smoke tests through the edge."""

    host: str
    tests: int

    def __str__(self) -> str:
        return f"run {count(self.tests, 'smoke test')} through the edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Watch the canary for a while."""

    host: str
    seconds: float
    percent: int

    def __str__(self) -> str:
        return f"watch the canary at {self.percent} % for {self.seconds:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bake:
    """Watch the new release for a while, with the old one still warm."""

    host: str
    seconds: float

    def __str__(self) -> str:
        return f"bake: watch health and smoke tests for {self.seconds:g} s, the old release warm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write down that the release is live."""

    host: str

    def __str__(self) -> str:
        return "record the release as live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Drain the old replicas, stop them unless they stand by, keep them, remove what is older."""

    host: str
    keep: int
    standby: bool = False

    def __str__(self) -> str:
        kept = f"keep the last {count(self.keep, 'release')}"
        if self.standby:
            return f"drain the old replicas and leave them running on standby; {kept}"
        return f"drain and stop the old replicas; {kept}"


Step = (
    Pull
    | RunHook
    | StopOld
    | Start
    | Verify
    | CheckReplica
    | Shift
    | CheckEdge
    | Pause
    | Bake
    | Record
    | Retire
)


def count(number: int, noun: str) -> str:
    """Say how many of a thing there are."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
