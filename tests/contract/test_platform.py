"""The contract of a platform, through platforms/protocol.py alone: the same claims on each."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from tests.contract.platforms import HOSTS, DockerBench, MemoryBench, PlatformBench
from tests.fakes.values import WEB_AND_WORKER

from deploy_action.errors import DeploymentFailed, ErrorCode, LockHeld, SessionLost
from deploy_action.events.stream import EventStream
from deploy_action.parallel import Cancel
from deploy_action.platforms.protocol import Desired, Holder, Observation, Platform, Store
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.releases.model import Deployment, HostOutcome, Kind, Release, State
from deploy_action.results.outcome import Outcome, Result
from deploy_action.rollout.context import RolloutContext
from deploy_action.rollout.deploy import Attempt, deploy_release
from deploy_action.rollout.plan import Plan, Stage
from deploy_action.rollout.recovery import recover_interrupted
from deploy_action.rollout.step import StepId


@pytest.fixture(params=["memory", "docker"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PlatformBench:
    """Two empty hosts of one platform."""
    if request.param == "memory":
        return MemoryBench()
    return DockerBench.make(tmp_path, monkeypatch)


def holder(actor: str = "ada") -> Holder:
    return Holder(actor=actor, deployment=uuid4().hex, since="2026-01-01T12:00:00+00:00")


@contextmanager
def locked(bench: PlatformBench) -> Iterator[tuple[Platform[Any], Store[Any]]]:
    with bench.connect() as platform, platform.lock(holder()) as store:
        yield platform, store


def recover(platform: Platform[Any], store: Store[Any], *images: str) -> Observation:
    seen: Observation = recover_interrupted(
        platform,
        store,
        images=images,
        secrets=lambda _: {},
        by="the next run",
        now="2026-01-01T13:00:00+00:00",
        events=EventStream(),
    )
    return seen


def make_live(
    bench: PlatformBench, platform: Platform[Any], store: Store[Any], release: Release
) -> Outcome:
    """Deploy a release under the lock."""
    seen = recover(platform, store, release.reference)
    attempt = Attempt(
        id=uuid4().hex,
        kind=Kind.DEPLOY,
        actor="ada",
        secrets={},
        current_secrets=lambda _: {},
    )
    return deploy_release(
        platform, store, seen, release, attempt, clock=bench.clock, events=EventStream()
    )


def deploy(bench: PlatformBench, release: Release) -> Outcome:
    """Deploy a release as a deployer of its own."""
    with locked(bench) as (platform, store):
        return make_live(bench, platform, store, release)


def deployed(bench: PlatformBench, *releases: Release) -> None:
    """Deploy releases one after the other, which has to succeed."""
    for release in releases:
        outcome = deploy(bench, release)
        assert outcome.result is Result.DEPLOYED, str(outcome.error)


def observed(bench: PlatformBench) -> Observation:
    with bench.connect() as platform:
        seen: Observation = platform.observe()
    return seen


def desired(seen: Observation, deployment: Deployment | None) -> dict[str, Desired]:
    return {
        host: Desired(
            deployment=deployment,
            succeeded=succeeded_releases(seen.ledger.of(host)),
            secrets={},
            drain_seconds=0.0,
        )
        for host in HOSTS
    }


def assert_only(bench: PlatformBench, version: str, *roles: str) -> None:
    """A version serves on every host, nothing else runs, and nothing is orphaned."""
    seen = observed(bench)
    current = current_deployment(seen.ledger.entries)
    assert current is not None
    assert current.release.version == version
    assert seen.without_replicas(current.release) == ()
    assert seen.orphans() == ()
    for host in HOSTS:
        assert bench.serving(host) == version
        assert bench.running(host) == Counter((version, role) for role in roles or ("web",))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A step that fails."""

    error: BaseException
    host: str = ""
    id: ClassVar[StepId] = StepId.VERIFY

    def describe(self) -> str:
        return "fail"

    def run(self, context: RolloutContext[Any]) -> None:
        raise self.error


class Sabotaged:
    """A platform whose plans have one more stage, which fails."""

    def __init__(self, platform: Platform[Any], before: int, error: BaseException) -> None:
        self._platform, self._before, self._error = platform, before, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)

    def plan(self, kind: Kind, release: Release, seen: Any) -> Plan:
        plan = self._platform.plan(kind, release, seen)
        stages = list(plan.stages)
        stages.insert(self._before, Stage(name="fail", steps=(Broken(error=self._error),)))
        return dataclasses.replace(plan, stages=tuple(stages))


# The lock


def test_a_lock_excludes_and_names_its_holder(bench: PlatformBench) -> None:
    """Whoever is refused changes nothing; afterwards the lock is free."""
    with bench.connect() as first, bench.connect() as second, first.lock(holder("ada")):
        before = bench.state()
        with pytest.raises(LockHeld, match="ada"), second.lock(holder("grace")):
            pass
        assert bench.state() == before
    with bench.connect() as third, third.lock(holder("grace")) as store:
        store.require_held()


def test_a_store_without_its_lock_says_so(bench: PlatformBench) -> None:
    """A lost lock stops its holder."""
    with locked(bench) as (_, store):
        store.require_held()
        bench.steal_lock()
        with pytest.raises(SessionLost):
            store.require_held()


# Looking and planning


def test_to_observe_changes_nothing(bench: PlatformBench) -> None:
    """Neither on empty hosts nor beside a release, and without a lock."""
    release = bench.release("1.0.0")
    for live in ((), (release,)):
        deployed(bench, *live)
        before = bench.state()
        with bench.connect() as platform:
            assert platform.observe([release.reference]).ledger == platform.observe().ledger
        assert bench.state() == before


def test_a_plan_is_a_pure_function_of_what_was_seen(bench: PlatformBench) -> None:
    """Asked twice it is the same; it records once, and everything is described."""
    deployed(bench, bench.release("1.0.0"))
    release = bench.release("2.0.0")
    with bench.connect() as platform:
        seen = platform.observe([release.reference])
        before = bench.state()
        plan = platform.plan(Kind.DEPLOY, release, seen)
        assert platform.plan(Kind.DEPLOY, release, seen) == plan
        assert bench.state() == before
        assert platform.hosts == plan.hosts == HOSTS
    assert [step.id for step in plan.steps()].count(StepId.RECORD) == 1
    assert all(stage.steps for stage in plan.stages)
    assert all(plan.lines())
    assert (plan.number, plan.unchanged) == (2, False)


def test_what_is_live_needs_no_steps(bench: PlatformBench) -> None:
    """The same release again is unchanged, and nothing is done but repairs."""
    release = bench.release("1.0.0")
    deployed(bench, release)
    with bench.connect() as platform:
        plan = platform.plan(Kind.DEPLOY, release, platform.observe())
    assert (plan.unchanged, plan.stages) == (True, ())
    before = bench.state()
    assert deploy(bench, release).result is Result.UNCHANGED
    assert bench.state() == before
    assert_only(bench, "1.0.0")


# Deploying


def test_a_plan_that_is_executed_makes_the_release_live(bench: PlatformBench) -> None:
    """On every host, and the ledger says so; the release before is kept and does not run."""
    first, second = bench.release("1.0.0"), bench.release("2.0.0")
    deployed(bench, first)
    assert_only(bench, "1.0.0")
    deployed(bench, second)
    assert_only(bench, "2.0.0")
    entries = observed(bench).ledger.entries
    assert [entry.release.id for entry in entries] == [first.id, second.id]
    assert [entry.state for entry in entries] == [State.SUCCEEDED, State.SUCCEEDED]
    assert entries[-1].previous == first.id
    assert entries[-1].hosts == dict.fromkeys(HOSTS, HostOutcome.DEPLOYED)
    assert entries[-1].phases


def test_a_release_that_does_not_come_up_is_undone(bench: PlatformBench) -> None:
    """The release before serves, and the ledger has the cause."""
    deployed(bench, bench.release("1.0.0"))
    bench.spoil("2.0.0")
    outcome = deploy(bench, bench.release("2.0.0"))
    assert outcome.result is Result.FAILED
    assert outcome.error is not None
    assert outcome.error.code is ErrorCode.REPLICA_UNHEALTHY
    assert_only(bench, "1.0.0")
    last = observed(bench).ledger.entries[-1]
    assert (last.state, last.step) == (State.FAILED, outcome.deployment and outcome.deployment.step)
    assert last.cause
    assert last.hosts == dict.fromkeys(HOSTS, HostOutcome.RESTORED)


def test_a_failure_before_any_stage_is_undone(bench: PlatformBench) -> None:
    """Up to the record whatever was done is taken back; after it the release is live."""
    first, second = bench.release("1.0.0"), bench.release("2.0.0")
    deployed(bench, first)
    with bench.connect() as platform:
        stages = platform.plan(Kind.DEPLOY, second, platform.observe()).stages
    names = [stage.steps[0].id for stage in stages]
    for before in range(names.index(StepId.RECORD) + 1):
        error = DeploymentFailed("broken by the test", code=ErrorCode.HOOK_FAILED)
        with locked(bench) as (platform, store):
            outcome = make_live(bench, Sabotaged(platform, before, error), store, second)
        assert (outcome.result, outcome.error) == (Result.FAILED, error), before
        assert_only(bench, "1.0.0")
    with locked(bench) as (platform, store):
        late = DeploymentFailed("broken by the test")
        outcome = make_live(bench, Sabotaged(platform, len(stages), late), store, second)
    assert (outcome.result, outcome.error) == (Result.DEPLOYED, None)
    assert_only(bench, "2.0.0")


def test_a_first_release_that_fails_leaves_nothing(bench: PlatformBench) -> None:
    """There is nothing to go back to, so nothing runs."""
    bench.spoil("1.0.0")
    assert deploy(bench, bench.release("1.0.0")).result is Result.FAILED
    seen = observed(bench)
    assert current_deployment(seen.ledger.entries) is None
    assert seen.orphans() == ()
    assert {bench.serving(host) for host in HOSTS} == {""}
    assert [bench.running(host) for host in HOSTS] == [Counter()] * len(HOSTS)


# Reconciling


def test_reconciling_brings_a_host_to_a_release_and_then_does_nothing(
    bench: PlatformBench,
) -> None:
    """From whatever is found: the release before, with a replica lost, and then once more."""
    deployed(bench, bench.release("1.0.0"), bench.release("2.0.0"))
    bench.lose(HOSTS[0], "web")
    seen = observed(bench)
    wanted = desired(seen, seen.ledger.entries[0])
    with locked(bench) as (platform, _):
        done = platform.reconcile(wanted, Cancel())
        assert done.failures == {}
    for host in HOSTS:
        assert bench.serving(host) == "1.0.0"
        assert bench.running(host) == Counter([("1.0.0", "web")])
    before = bench.state()
    with locked(bench) as (platform, _):
        again = platform.reconcile(wanted, Cancel())
    assert (again.notes, again.failures) == ([], {})
    assert bench.state() == before


def test_a_service_that_was_never_live_is_taken_off(bench: PlatformBench) -> None:
    """Desired is nothing, so nothing of it is left; twice is as good as once."""
    release = bench.release("1.0.0")
    error = SessionLost("the deployer died")
    with locked(bench) as (platform, store):
        record = next(
            number
            for number, stage in enumerate(
                platform.plan(Kind.DEPLOY, release, platform.observe([release.reference])).stages
            )
            if stage.steps[0].id is StepId.RECORD
        )
        make_live(bench, Sabotaged(platform, record, error), store, release)
    assert bench.running(HOSTS[0])
    for _ in range(2):
        with locked(bench) as (platform, _store):
            result = platform.reconcile(desired(observed(bench), None), Cancel())
        assert result.failures == {}
        assert [bench.running(host) for host in HOSTS] == [Counter()] * len(HOSTS)
    assert observed(bench).orphans() == ()


def test_what_a_dead_deployer_left_is_settled(bench: PlatformBench) -> None:
    """Its entry failed, the release before serves, and every host has the same ledger."""
    deployed(bench, bench.release("1.0.0"))
    second = bench.release("2.0.0")
    with bench.connect() as platform:
        count = len(platform.plan(Kind.DEPLOY, second, platform.observe()).stages)
    for before in range(count - 1):
        with locked(bench) as (platform, store):
            outcome = make_live(
                bench, Sabotaged(platform, before, SessionLost("it died")), store, second
            )
        assert isinstance(outcome.error, SessionLost)
        assert observed(bench).ledger.entries[-1].state is State.RUNNING
        with locked(bench) as (platform, store):
            recovered = recover(platform, store)
            last = recovered.ledger.entries[-1]
            assert (last.state, last.number) == (State.FAILED, before + 2)
            assert last.hosts == dict.fromkeys(HOSTS, HostOutcome.RESTORED)
            assert recover(platform, store).ledger == recovered.ledger
        assert_only(bench, "1.0.0")


# Roles


def test_the_roles_of_a_release_go_together(bench: PlatformBench) -> None:
    """One release of web and worker replaces the other; only web takes traffic."""
    first = bench.release("1.0.0", WEB_AND_WORKER)
    second = bench.release("2.0.0", WEB_AND_WORKER)
    deployed(bench, first)
    assert_only(bench, "1.0.0", "web", "web", "worker")
    deployed(bench, second)
    assert_only(bench, "2.0.0", "web", "web", "worker")
    bench.spoil("3.0.0")
    assert deploy(bench, bench.release("3.0.0", WEB_AND_WORKER)).result is Result.FAILED
    assert_only(bench, "2.0.0", "web", "web", "worker")
    assert observed(bench).ledger.entries[-1].release.roles == WEB_AND_WORKER


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_replica_of_any_role_that_is_lost_is_noticed_and_made_anew(
    bench: PlatformBench, role: str
) -> None:
    """The same release again repairs it."""
    release = bench.release("1.0.0", WEB_AND_WORKER)
    deployed(bench, release)
    bench.lose(HOSTS[1], role)
    assert observed(bench).without_replicas(release) == (HOSTS[1],)
    assert deploy(bench, release).result is Result.UNCHANGED
    assert_only(bench, "1.0.0", "web", "web", "worker")


def test_a_change_of_roles_is_a_release_of_its_own(bench: PlatformBench) -> None:
    """A worker that is added with the same image is deployed, one that is taken away goes."""
    alone, both = bench.release("1.0.0"), bench.release("1.0.0", WEB_AND_WORKER)
    deployed(bench, alone, both)
    assert_only(bench, "1.0.0", "web", "web", "worker")
    deployed(bench, dataclasses.replace(alone, version="1.0.0", commit="later", roles=alone.roles))
    assert_only(bench, "1.0.0", "web")


# The store


def test_how_a_deployment_ended_is_written_to_all_hosts_that_record_it(
    bench: PlatformBench,
) -> None:
    """Hosts agree afterwards; a finished entry wins over an unfinished one."""
    release = bench.release("1.0.0")
    entry = Deployment(
        id="d1",
        number=1,
        kind=Kind.DEPLOY,
        release=release,
        actor="ada",
        started_at="2026-01-01T12:00:00+00:00",
    )
    done = dataclasses.replace(entry, state=State.SUCCEEDED, ended_at=entry.started_at)
    with locked(bench) as (platform, store):
        store.begin(entry)
        assert platform.observe().ledger.entries == (entry,)
        store.write(done, hosts={HOSTS[1]})
        seen = platform.observe()
        assert seen.ledger.entries == (done,)
        own = {host: seen.ledger.of(host) for host in HOSTS}
        assert own == dict.fromkeys(HOSTS, (done,))
        store.update(own, seen)
        before = bench.state()
        store.update(own, platform.observe())
        assert bench.state() == before
        key = store.fingerprint_key(platform.observe())
        assert key
        assert store.fingerprint_key(platform.observe()) == key
