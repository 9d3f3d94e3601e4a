"""How single steps of a plan are done on a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from deploy_action.checks.result import CheckFailureKind, CheckResult
from deploy_action.config.model import Environment, Hook
from deploy_action.errors import DeploymentFailed
from deploy_action.events.progress import Progress
from deploy_action.platforms.docker.admission import Starter
from deploy_action.platforms.docker.edge.certificates import Bundle
from deploy_action.platforms.docker.edge.state import Backend
from deploy_action.platforms.docker.health import Cancel, await_healthy, prove_identity
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica, hook_spec
from deploy_action.platforms.docker.smoke import Smoking
from deploy_action.platforms.docker.tls import verify_served_certificate
from deploy_action.platforms.docker.traffic import shift_traffic
from deploy_action.platforms.docker.watch import Watcher
from deploy_action.releases.model import Release
from deploy_action.rollout.plan import Plan
from deploy_action.rollout.steps import (
    Bake,
    CheckEdge,
    CheckReplica,
    Pause,
    Pull,
    Record,
    Retire,
    RunHook,
    Shift,
    Start,
    Step,
    StopOld,
    Verify,
)

__all__ = ["Performer"]

_WATCH_SECONDS = 0.5
_LOOK = "look at the log of the new release below, mend it, and deploy again"
_NAMED_OTHERWISE = (
    "deploy the version that the image says of itself (--version), or write what to compare it "
    "with: health.identity.expect"
)


@dataclass(slots=True, kw_only=True)
class Performer:
    """Performs the steps of one plan."""

    plan: Plan
    secrets: Mapping[str, str]
    credentials: tuple[str, str] | None
    cancel: Cancel
    progress: Progress
    smoking: Smoking
    certificate: Bundle | None = None
    """What the edge shall answer with; None keeps what it has."""
    checks: list[CheckResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What belongs into the history."""
    replicas: dict[tuple[str, int], Replica] = field(default_factory=dict)
    """What this deployment started: (host, index) → replica."""
    starter: Starter = field(init=False)

    def __post_init__(self) -> None:
        self.starter = Starter(
            plan=self.plan,
            secrets=self.secrets,
            certificate=self.certificate,
            progress=self.progress,
            replicas=self.replicas,
        )

    @property
    def environment(self) -> Environment:
        """The environment of the new release."""
        return self.plan.environment

    @property
    def release(self) -> Release:
        """The new release."""
        return self.plan.release

    def perform(self, site: Host, step: Step) -> None:
        """Do one step; raise DeploymentFailed when it does not come out right."""
        match step:
            case Pull():
                self._pull(site, step)
            case RunHook():
                self.run_hook(site, step.hook)
            case StopOld():
                self._stop_old(site)
            case Start():
                self.starter.start(site, step)
            case Verify():
                self._verify(site, step)
            case CheckReplica():
                self._keep(self.smoking.replica(site, self._replica(step.host, step.index)))
            case Shift():
                self._shift(site, step.percent)
            case CheckEdge():
                self._keep(self.smoking.edge(site))
            case Pause():
                self._watch(site, step.seconds, alone=False)
            case Bake():
                self._watch(site, step.seconds, alone=True)
            case Record() | Retire():
                raise AssertionError(step)
            case _:
                assert_never(step)

    def _replica(self, host: str, index: int) -> Replica:
        return self.replicas[host, index]

    def _keep(self, results: tuple[CheckResult, ...]) -> None:
        self.checks += results
        failed = [result for result in results if not result.passed]
        if failed:
            first = failed[0]
            wrong_release = CheckFailureKind.WRONG_RELEASE in first.failure_kinds
            more = f" ({len(failed)} smoke tests failed in all)" if len(failed) > 1 else ""
            raise DeploymentFailed(
                f"smoke test {first.name} failed ({first.where}): {first.detail}{more}",
                remedy=_NAMED_OTHERWISE if wrong_release else _LOOK,
            )

    def _pull(self, site: Host, step: Pull) -> None:
        if self.release.local or self.environment.pull == "never":
            raise DeploymentFailed(
                f"{site.host}: the image {self.release.reference} is not there and may not be pulled",
                cause="it was built locally, or deploy.yaml says pull: never",
                remedy="push it to a registry, or load it: docker save … | docker load",
            )
        site.engine.pull(step.reference, self.credentials, check=self.cancel.check)
        found, engine = site.engine.image(step.reference), site.engine.info()
        if found is None:
            raise DeploymentFailed(f"{site.host}: {step.reference} is not there after its pull")
        if found.architecture != engine.architecture:
            raise DeploymentFailed(
                f"{site.host}: the image is for {found.architecture}, the host is "
                f"{engine.architecture}",
                remedy=f"build it for linux/{engine.architecture}",
            )

    def run_hook(self, site: Host, hook: Hook) -> None:
        """Run a hook to its end and remove its container."""
        spec = hook_spec(
            self.environment, self.release, hook, number=self.plan.number, secrets=self.secrets
        )
        site.session.ping()
        container_id = site.engine.create(spec)
        try:
            site.engine.start(container_id)
            deadline = site.clock.monotonic() + hook.timeout_seconds
            code = None
            while code is None and site.clock.monotonic() < deadline:
                self.cancel.check()
                code = site.engine.wait(container_id, timeout_seconds=1.0)
            said = site.engine.logs(container_id, lines=30)
        finally:
            site.engine.remove(container_id)
        self.progress.quote(f"hook {hook.name}", said.splitlines())
        if code != 0:
            why = (
                f"exit code {code}" if code is not None else f"no end in {hook.timeout_seconds:g} s"
            )
            raise DeploymentFailed(
                f"{site.host}: the hook {hook.name} failed: {why}",
                cause=(said.strip().splitlines() or [""])[-1][:300],
                remedy="its output is above; try it by hand in a container of the same image",
            )

    def _stop_old(self, site: Host) -> None:
        stop = self.environment.stop
        for replica in site.replicas():
            if replica.container.running and replica.release != self.release.id:
                # It must not come back by itself while the new one uses its volume.
                site.engine.set_restart(replica.container.id, "no")
                site.engine.stop(
                    replica.container.id, timeout_seconds=stop.timeout_seconds, signal=stop.signal
                )

    def _verify(self, site: Host, step: Verify) -> None:
        replica = self._replica(step.host, step.index)
        await_healthy(site, replica, self.environment, self.cancel)
        prove_identity(site, replica, self.environment, self.release)
        if not step.standby:
            # What stands by has said who it is when it was deployed, and runs on since then.
            self._keep(self.smoking.identity(site, replica))

    def _shift(self, site: Host, percent: int) -> None:
        names = {replica.name for replica in self.starter.on(site.host)}

        def move(old: Backend | None) -> Backend | None:
            if old is None:
                raise DeploymentFailed(
                    f"{site.host}: the edge has lost the backend {site.backend}",
                    remedy="deploy-action drift, then deploy again",
                )
            return shift_traffic(self.environment, old, names, percent)

        site.edge.change(site.backend, move)
        if percent >= 100 and self.certificate is not None:
            note = verify_served_certificate(site, self.certificate)
            if note:
                self.progress.warn(note, host=site.host)

    def _watch(self, site: Host, seconds: float, *, alone: bool) -> None:
        reachable = site.host not in self.plan.closed and (alone or not self.plan.moves)

        def smoke() -> None:
            if self.environment.route is not None and self.environment.smoke and reachable:
                results = self.smoking.edge(site, alone=alone)
                if not all(result.passed for result in results):
                    self._keep(results)

        watcher = Watcher(
            site=site,
            environment=self.environment,
            replicas=tuple(self.starter.on(site.host)),
            cancel=self.cancel,
            progress=self.progress,
            number=self.plan.number,
        )
        promoted = watcher.watch(seconds, smoke)
        if promoted is not None:
            self.progress.say(str(promoted), host=site.host)
            if str(promoted) not in self.notes:
                self.notes.append(str(promoted))
