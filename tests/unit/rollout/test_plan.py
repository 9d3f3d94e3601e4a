"""The plan as a value: what it says of itself, and what a rollback leaves out."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
from tests.fakes.values import environment, release, shared, succeeded

from deploy_action.config.model import Certificate, Hook, Hooks, Route, Strategy
from deploy_action.releases.ledger import Ledger
from deploy_action.releases.model import Kind, State
from deploy_action.rollout.plan import Plan, Stage, draft_plan
from deploy_action.rollout.step import StepId

HOOK = (Hook(name="h", command=("h",)),)


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """A step that does nothing."""

    host: str
    id: ClassVar[StepId] = StepId.VERIFY

    def describe(self) -> str:
        return "look"

    def run(self, context: Any) -> None:
        return None


def drafted(kind: Kind = Kind.DEPLOY, live: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """Draft the deployment of 2.0.0, with changes, over 1.0.0, with others."""
    before = (
        shared() if live is None else shared(succeeded(1, release("1.0.0", environment(**live))))
    )
    return draft_plan(kind, release("2.0.0", environment(**changes)), before, ["a", "b"])


def test_a_draft_follows_from_the_ledger() -> None:
    """Numbers rise past failures and damaged entries."""
    one, two = release("1.0.0"), release("2.0.0")
    failed = dataclasses.replace(succeeded(3, "3.0.0"), state=State.FAILED)
    entries = shared(succeeded(1, one), succeeded(2, two), failed)
    plan = draft_plan(Kind.DEPLOY, release("4.0.0"), entries, ["a", "b"])
    assert (plan.number, plan.hosts) == (4, ("a", "b"))
    assert plan.previous == succeeded(2, two)
    assert plan.ledger == entries
    assert plan.stages == ()
    damaged = Ledger(damaged=("00000007.json",))
    assert draft_plan(Kind.DEPLOY, one, damaged, ["a"]).number == 8


def test_what_is_live_already_is_unchanged() -> None:
    """Equal content is the same release; another digest is another one."""
    live = shared(succeeded(1, release("1.0.0")))
    assert draft_plan(Kind.DEPLOY, release("1.0.0"), live, ["a"]).unchanged
    rebuilt = dataclasses.replace(release("1.0.0"), digest="sha256:other")
    assert not draft_plan(Kind.DEPLOY, rebuilt, live, ["a"]).unchanged
    assert not draft_plan(Kind.DEPLOY, release("1.0.0"), shared(), ["a"]).unchanged


def test_a_rollback_leaves_out_what_it_must_not_repeat() -> None:
    """Migrations, canaries and waiting; the hooks after a failure stay, and all else."""
    hooks = Hooks(pre_deploy=HOOK, post_deploy=HOOK, on_failure=HOOK)
    changes: dict[str, Any] = {
        "hooks": hooks,
        "bake_seconds": 9.0,
        "strategy": Strategy(canary=(10,), standby=True),
    }
    ahead = drafted(Kind.DEPLOY, {}, **changes)
    assert ahead.configuration == ahead.release.configuration
    back = drafted(Kind.ROLLBACK, {}, **changes).configuration
    assert back == environment(
        hooks=Hooks(on_failure=HOOK), bake_seconds=0.0, strategy=Strategy(standby=True)
    )


@pytest.mark.parametrize(
    ("kind", "live", "leaves"),
    [
        (Kind.DEPLOY, {}, True),
        (Kind.PROMOTE, {}, True),
        (Kind.ROLLBACK, {}, False),
        (Kind.DEPLOY, None, False),
    ],
)
def test_a_standby_is_left_by_all_but_a_rollback_and_a_first_deployment(
    kind: Kind, live: dict[str, Any] | None, leaves: bool
) -> None:
    """A release that was rolled back was not good enough."""
    assert drafted(kind, live, strategy=Strategy(standby=True)).leaves_standby is leaves
    assert not drafted(kind, live).leaves_standby


def test_a_first_deployment_has_no_gap() -> None:
    """Stop-first has nothing to stop."""
    order = Strategy(order="stop-first")
    assert drafted(Kind.DEPLOY, {}, strategy=order).stop_first
    assert not drafted(Kind.DEPLOY, None, strategy=order).stop_first
    assert not drafted(Kind.DEPLOY, {}).stop_first


TLS = Certificate(file="site.pem")


@pytest.mark.parametrize(
    ("changes", "moves"),
    [
        ({}, False),
        ({"route": Route(port=80, path="/shop")}, True),
        ({"route": Route(port=81)}, True),
        ({"route": Route(port=80, host="shop.example.com")}, True),
        ({"route": Route(port=80, certificate=TLS)}, True),
        ({"protocol": "tcp"}, True),
        ({"route": None, "port": None}, True),
    ],
)
def test_a_route_moves_where_clients_need_another_address(
    changes: dict[str, Any], moves: bool
) -> None:
    """Host, path, port, protocol and TLS; another port of the application does not matter."""
    assert drafted(Kind.DEPLOY, {}, **changes).moves_route is moves
    assert drafted(Kind.DEPLOY, None, **changes).moves_route is False


def test_the_lines_name_hosts_where_there_are_several() -> None:
    """In the order of the stages; a step for all hosts has no name in front."""
    stages = (
        Stage(name="one", steps=(Look("a"), Look("b"))),
        Stage(name="two", steps=(Look(""),)),
    )
    plan = dataclasses.replace(drafted(), stages=stages)
    assert plan.steps() == (Look("a"), Look("b"), Look(""))
    assert plan.lines() == ("a: look", "b: look", "look")
    alone = dataclasses.replace(plan, hosts=("a",))
    assert alone.lines() == ("look", "look", "look")
