"""What a kind of smoke test consists of; `smoke.KINDS` lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from deploy_action.checks.identity import IdentityExpectation
from deploy_action.checks.result import CheckFailure
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.inputs import Secret

__all__ = ["Place", "SmokeContext", "SmokeKind"]

Place = Literal["replica", "edge"]
_Test = TypeVar("_Test")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeContext:
    """What every try of a test is given; see `smoke.run_smoke`."""

    target: Target
    secrets: Mapping[str, Secret]
    identity: IdentityExpectation | None
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeKind(Generic[_Test]):
    """One kind of smoke test.

    Attributes:
        type: the configuration of a test of this kind.
        applies: whether a test is run against a replica, or through the edge.
        describe: says what must hold; its second argument marks values of the configuration.
        run: makes one try and returns what failed, nothing when it passed.
        beside: it starts a container, so it is for deployments, not for looking at what is live.
    """

    type: type[_Test]
    applies: Callable[[_Test, Place], bool]
    describe: Callable[[_Test, Callable[[object], str]], str]
    run: Callable[[_Test, SmokeContext], tuple[CheckFailure, ...]]
    beside: bool = False
