"""The way back: after a failure every host returns to the release that served before."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deploy_action.config import deserialize
from deploy_action.config.model import Environment
from deploy_action.errors import DeployActionError, DeploymentFailed, Interrupted
from deploy_action.events.progress import Progress
from deploy_action.platforms.docker.health import Cancel
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.performer import Performer
from deploy_action.platforms.docker.reconcile import (
    reconcile,
    remove_orphaned_hooks,
    remove_service,
)
from deploy_action.platforms.docker.replicas import of_release
from deploy_action.platforms.docker.standby import standby_of
from deploy_action.releases.model import HostOutcome, Release
from deploy_action.rollout.log import RolloutLog
from deploy_action.rollout.plan import Plan
from deploy_action.session.client import SessionLost

__all__ = ["Undo", "require_lock"]

_INTERRUPTED_DRAIN_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Undo:
    """Undoes one failed rollout; `outcomes` and `problems` say what came of it."""

    plan: Plan
    sites: Sequence[Host]
    good: Sequence[str]
    secrets: Mapping[str, str]
    performer: Performer
    telling: RolloutLog
    progress: Progress
    outcomes: dict[str, HostOutcome] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def go(self, error: BaseException) -> None:
        """Restore every host, side by side; a host that cannot be restored is told, not raised.

        After a signal there are seconds, not minutes: requests in flight get only a few of them.
        """
        plan = self.plan
        self.telling.logs |= _last_words(self.sites, plan.release, plan.environment)
        limit = plan.environment.stop.drain_seconds
        hurried = isinstance(error, Interrupted) or not isinstance(error, DeploymentFailed)
        drain = min(limit, _INTERRUPTED_DRAIN_SECONDS) if hurried else limit
        with ThreadPoolExecutor(max_workers=16, thread_name_prefix="undo") as pool:
            list(pool.map(lambda site: self._host(site, drain), self.sites))

    def _host(self, site: Host, drain_seconds: float) -> None:
        try:
            self._restore(site, drain_seconds)
        except (DeployActionError, OSError) as failed:
            self.outcomes[site.host] = HostOutcome.UNKNOWN
            self.problems.append(str(failed))
        else:
            self.outcomes[site.host] = HostOutcome.RESTORED

    def _restore(self, site: Host, drain_seconds: float) -> None:
        previous = self.plan.previous
        remove_orphaned_hooks(site)
        if previous is None:
            self.telling.take(remove_service(site))
            return
        past = deserialize(previous.release.config)
        done = reconcile(
            site,
            previous.release,
            past,
            good=self.good,
            secrets=self.secrets,
            number=self.plan.number,
            drain_seconds=drain_seconds,
            standby=standby_of(previous, past),
            # A fresh one: what stopped the way forward must not stop the way back.
            cancel=Cancel(threading.Event()),
        )
        self.telling.take(done)
        self.progress.say(f"{previous.release.version} serves, as before", host=site.host)

    def run_hooks(self) -> None:
        """Run the on-failure hooks; one that fails is noted."""
        self.performer.cancel = Cancel(threading.Event())
        first = self.plan.environment.hosts[0]
        site = next(site for site in self.sites if site.host == first)
        for hook in self.plan.environment.hooks.on_failure:
            try:
                self.performer.run_hook(site, hook)
            except DeployActionError as failed:
                self.telling.notes.append(f"the on-failure hook {hook.name} failed: {failed}")


def _last_words(
    sites: Iterable[Host], release: Release, environment: Environment
) -> dict[str, str]:
    """Collect the last log lines of the new release's containers, before they are removed."""
    logs = {}
    for site in sites:
        try:
            for replica in of_release(site.replicas(), release.id, environment.replicas):
                logs[f"{replica.name} on {site.host}"] = site.engine.logs(replica.container.id)
        except DeployActionError:
            continue
    return logs


def require_lock(sites: Sequence[Host], error: BaseException) -> None:
    """Leave everything to whoever has the locks now, where all of ours are gone.

    What failed first may be no more than that: checks are made from the lock's container.

    Raises:
        SessionLost: no lock is left.
    """
    lost = [found for site in sites if (found := _lost(site)) is not None]
    if len(lost) == len(sites):
        raise lost[0] from error


def _lost(site: Host) -> SessionLost | None:
    try:
        site.session.ping()
    except SessionLost as lost:
        return lost
    except DeployActionError:
        # It answers, though not well: the way back will tell.
        return None
    return None
