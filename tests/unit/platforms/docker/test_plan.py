"""The stages of a plan on Docker hosts, as a pure function of what was seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.fakes.values import WEB_AND_WORKER, environment, release, succeeded
from tests.fakes.world import code_of
from tests.unit.platforms.docker.samples import backend, host, observation, replica

from deploy_action.config.model import CommandSmoke, Hook, Hooks, HttpSmoke, Strategy
from deploy_action.platforms.docker.edge.state import EdgeState
from deploy_action.platforms.docker.observation import DockerObservation
from deploy_action.platforms.docker.plan import plan_rollout
from deploy_action.platforms.docker.steps.clean_up import CleanUp
from deploy_action.platforms.docker.steps.hooks import RunHook
from deploy_action.platforms.docker.steps.start import Start
from deploy_action.releases.model import Kind, Release
from deploy_action.results.notes import NoteCode
from deploy_action.rollout.plan import Plan
from deploy_action.rollout.step import Step, StepId

PULL, HOOK, STOP, START = StepId.PULL, StepId.RUN_HOOK, StepId.STOP_OLD, StepId.START
VERIFY, REPLICA, SHIFT = StepId.VERIFY, StepId.CHECK_REPLICA, StepId.SHIFT_TRAFFIC
EDGE, CANARY, BAKE = StepId.CHECK_EDGE, StepId.WATCH_CANARY, StepId.BAKE
RECORD, CLEAN_UP = StepId.RECORD, StepId.CLEAN_UP

SMOKE = (
    HttpSmoke(name="home", path="/"),
    CommandSmoke(name="migrated", command=("true",)),
)
HOOKS = Hooks(
    pre_deploy=(Hook(name="migrate", command=("m",)),),
    post_deploy=(Hook(name="warm-up", command=("w",)),),
    on_failure=(Hook(name="tell", command=("t",)),),
)

SHAPES: dict[str, tuple[dict[str, Any], list[StepId]]] = {
    "plain": ({}, [PULL, START, VERIFY, SHIFT, RECORD, CLEAN_UP]),
    "smoke": (
        {"smoke": SMOKE},
        [PULL, START, VERIFY, REPLICA, SHIFT, EDGE, RECORD, CLEAN_UP],
    ),
    "replicas": (
        {"replicas": 2},
        [PULL, START, START, VERIFY, VERIFY, SHIFT, RECORD, CLEAN_UP],
    ),
    "canary": (
        {"strategy": Strategy(canary=(10, 50))},
        [PULL, START, VERIFY, SHIFT, CANARY, SHIFT, CANARY, SHIFT, RECORD, CLEAN_UP],
    ),
    "stop-first": (
        {"strategy": Strategy(order="stop-first")},
        [PULL, STOP, START, VERIFY, SHIFT, RECORD, CLEAN_UP],
    ),
    "standby": (
        {"strategy": Strategy(standby=True)},
        [PULL, START, VERIFY, SHIFT, RECORD, CLEAN_UP],
    ),
    "bake": ({"bake_seconds": 9.0}, [PULL, START, VERIFY, SHIFT, BAKE, RECORD, CLEAN_UP]),
    "hooks": (
        {"hooks": HOOKS},
        [PULL, HOOK, START, VERIFY, SHIFT, HOOK, RECORD, CLEAN_UP],
    ),
    "worker": (
        {"port": None, "route": None, "strategy": Strategy(canary=(10,))},
        [PULL, START, VERIFY, RECORD, CLEAN_UP],
    ),
}


def ids(plan: Plan) -> list[StepId]:
    return [step.id for step in plan.steps()]


def hosts_of(plan: Plan, *kinds: StepId) -> list[str]:
    return [step.host for step in plan.steps() if step.id in kinds]


def seen(*names: str, live: Release | None = None, **changes: Any) -> DockerObservation:
    """Return hosts on which one release is live, or none."""
    entries = () if live is None else (succeeded(1, live),)
    return observation([host(name, **changes) for name in names or ("a",)], entries)


def plan_of(
    target: Release,
    found: DockerObservation,
    kind: Kind = Kind.DEPLOY,
) -> Plan:
    return plan_rollout(kind, target, [one.host for one in found.hosts], found)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plan_has_the_steps_of_its_shape_in_order(shape: str) -> None:
    """Each key of deploy.yaml adds its steps, and no others."""
    changes, expected = SHAPES[shape]
    configuration = environment(**changes)
    plan = plan_of(release("2.0.0", configuration), seen(live=release("1.0.0", configuration)))
    assert ids(plan) == expected
    assert plan.notes == () or plan.stop_first


def test_hooks_run_on_the_first_host_and_those_on_failure_are_apart() -> None:
    """They are no step of the plan unless something fails."""
    plan = plan_of(release("2.0.0", environment(hooks=HOOKS)), seen("a", "b"))
    hooks = [step for step in plan.steps() if isinstance(step, RunHook)]
    assert [(step.host, step.when) for step in hooks] == [
        ("a", "pre-deploy"),
        ("a", "post-deploy"),
    ]
    assert [isinstance(step, RunHook) and step.hook for step in plan.on_failure] == [
        HOOKS.on_failure[0]
    ]


def test_an_image_is_pulled_only_where_it_is_missing() -> None:
    """By its digest."""
    target = release("2.0.0")
    found = observation([host("a", image_ids={target.reference: "sha256:1"}), host("b")])
    assert hosts_of(plan_of(target, found), PULL) == ["b"]


def test_a_first_deployment_stops_nothing_and_says_that_nothing_can_be_restored() -> None:
    """Stop-first has nothing to stop."""
    target = release("1.0.0", environment(strategy=Strategy(order="stop-first")))
    plan = plan_of(target, seen())
    assert ids(plan) == [PULL, START, VERIFY, SHIFT, RECORD, CLEAN_UP]
    assert [code_of(note) for note in plan.notes] == [NoteCode.FIRST_DEPLOYMENT]


def test_a_gap_is_announced_with_its_length() -> None:
    """Nobody is surprised by stop-first."""
    configuration = environment(strategy=Strategy(order="stop-first"))
    plan = plan_of(release("2.0.0", configuration), seen(live=release("1.0.0", configuration)))
    [note] = plan.notes
    assert code_of(note) is NoteCode.GAP_EXPECTED
    assert f"{configuration.stop.timeout_seconds:g} s" in str(note)
    assert f"{configuration.health.deadline_seconds:g} s" in str(note)


def test_hosts_start_together_and_the_first_one_switches_before_the_others() -> None:
    """A release that fails at the edge of the first host never reaches the others' users."""
    configuration = environment(smoke=SMOKE)
    target, live = release("2.0.0", configuration), release("1.0.0", configuration)
    plan = plan_of(target, seen("a", "b", "c", live=live))
    assert hosts_of(plan, SHIFT, EDGE) == ["a", "a", "b", "c", "b", "c"]
    [starts] = [stage for stage in plan.stages if stage.steps[0].id is START]
    assert [step.host for step in starts.steps] == ["a", "b", "c"]
    [first, others] = [stage for stage in plan.stages if stage.steps[0].id is SHIFT]
    assert [len(first.steps), len(others.steps)] == [1, 2]


def test_stop_first_finishes_one_host_before_the_next() -> None:
    """At any time at most one host has a gap."""
    configuration = environment(strategy=Strategy(order="stop-first"))
    target, live = release("2.0.0", configuration), release("1.0.0", configuration)
    plan = plan_of(target, seen("a", "b", live=live))
    assert hosts_of(plan, STOP, START, SHIFT) == ["a", "a", "a", "b", "b", "b"]


def test_a_rollback_is_straight_and_starts_what_was_kept() -> None:
    """No migration of then, no canary, no waiting."""
    configuration = environment(hooks=HOOKS, bake_seconds=9.0, strategy=Strategy(canary=(10,)))
    old, live = release("1.0.0", configuration), release("2.0.0", configuration)
    kept = replica(old, 1, status="exited", restart="no")
    found = observation(
        [host(replicas=(kept,), image_ids={old.reference: "sha256:1"})],
        (succeeded(1, old), succeeded(2, live)),
    )
    plan = plan_of(old, found, Kind.ROLLBACK)
    assert ids(plan) == [START, VERIFY, SHIFT, RECORD, CLEAN_UP]
    assert plan.steps()[0] == Start(host="a", role="web", index=0, kept=kept.name, standby=False)


def test_what_is_on_standby_is_not_started() -> None:
    """The plan says what runs beside the new release, and that a rollback starts nothing."""
    configuration = environment(strategy=Strategy(standby=True))
    old, live = release("1.0.0", configuration), release("2.0.0", configuration)
    entries = (succeeded(1, old), succeeded(2, live, previous=old.id))
    found = observation([host(replicas=(replica(old, 1), replica(live, 2)))], entries)
    back = plan_of(old, found, Kind.ROLLBACK)
    starts = [step for step in back.steps() if isinstance(step, Start)]
    assert [(step.kept, step.standby) for step in starts] == [(replica(old, 1).name, True)]
    further = plan_of(release("3.0.0", configuration), found)
    first = plan_of(old, seen())
    assert [_leaves_standby(plan) for plan in (first, further, back)] == [False, True, False]


def _leaves_standby(plan: Plan) -> bool:
    [step] = [step for step in plan.steps() if isinstance(step, CleanUp)]
    return step.standby


def test_a_kept_container_that_is_still_stopping_is_not_on_standby() -> None:
    """It is stopped to its end and started again."""
    old, live = release("1.0.0"), release("2.0.0")
    stopping = replica(old, 1, restart="no")
    found = observation([host(replicas=(stopping,))], (succeeded(1, old), succeeded(2, live)))
    [start] = [s for s in plan_of(old, found, Kind.ROLLBACK).steps() if isinstance(s, Start)]
    assert (start.kept, start.standby) == (stopping.name, False)


def test_what_is_live_needs_no_steps_but_an_edited_edge_is_told() -> None:
    """The note comes from the observation of its host."""
    live = release("1.0.0")
    plan = plan_of(live, seen("a", "b", live=live))
    assert (plan.unchanged, plan.stages, plan.notes) == (True, (), ())
    found = observation([host("a"), host("b", edge=EdgeState(edited=True))], (succeeded(1, live),))
    [note] = plan_of(live, found).notes
    assert (code_of(note), str(note)[:3]) == (NoteCode.EDGE_REWRITTEN, "b: ")


def test_a_host_in_maintenance_is_not_asked_through_its_edge() -> None:
    """It would answer with the page."""
    configuration = environment(smoke=SMOKE)
    live, target = release("1.0.0", configuration), release("2.0.0", configuration)
    closed = dataclasses.replace(backend(live, replica(live)), maintenance="page")
    found = observation([host("a", backend=closed), host("b")], (succeeded(1, live),))
    plan = plan_of(target, found)
    assert plan.closed == {"a"}
    assert hosts_of(plan, SHIFT) == ["a", "b"]
    assert hosts_of(plan, EDGE) == ["b"]
    [note] = plan.notes
    assert (code_of(note), str(note)[:3]) == (NoteCode.IN_MAINTENANCE, "a: ")


def test_all_roles_of_a_release_are_started_and_verified() -> None:
    """Smoke tests are for the replicas that take traffic."""
    target = release("2.0.0", environment(smoke=SMOKE), roles=WEB_AND_WORKER)
    plan = plan_of(target, seen())

    def places(kind: StepId) -> list[tuple[Any, Any]]:
        return [_place(step) for step in plan.steps() if step.id is kind]

    assert places(START) == places(VERIFY) == [("web", 0), ("web", 1), ("worker", 0)]
    assert places(REPLICA) == [("web", 0), ("web", 1)]


def _place(step: Step) -> tuple[Any, Any]:
    return getattr(step, "role", None), getattr(step, "index", None)


def test_kept_replicas_are_found_by_role_and_index() -> None:
    """The worker's container is no replica of web."""
    old = release("1.0.0", roles=WEB_AND_WORKER)
    kept = [replica(old, 1, role, i, status="exited") for role, i in ((0, 0), (0, 1), (1, 0))]
    found = observation(
        [host(replicas=(kept[0], kept[2]))], (succeeded(1, old), succeeded(2, release("2.0.0")))
    )
    starts = [s for s in plan_of(old, found, Kind.ROLLBACK).steps() if isinstance(s, Start)]
    assert [start.kept for start in starts] == [kept[0].name, None, kept[2].name]


def test_steps_that_only_look_are_marked_so() -> None:
    """The journal is written beside them, and before all others."""
    configuration = environment(smoke=SMOKE, bake_seconds=1.0, hooks=HOOKS)
    plan = plan_of(release("2.0.0", configuration), seen(live=release("1.0.0", configuration)))
    looking = {stage.steps[0].id for stage in plan.stages if stage.read_only}
    assert looking == {VERIFY, REPLICA, EDGE}
