"""Who answered a request through the edge: only the edge's word counts."""

from __future__ import annotations

import pytest
from tests.fakes.values import environment

from deploy_action.checks.health import edge_path
from deploy_action.checks.result import CheckFailureKind
from deploy_action.checks.served_by import ServedBy
from deploy_action.config.model import Health, Route

OURS = ServedBy(
    request_headers={"X-Probe": "secret"},
    answer_header="X-Served-By",
    backend="shop_production",
    servers=frozenset({"shop_production_2_1"}),
    place="shop.example.com:443/",
)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (None, CheckFailureKind.SERVED_ELSEWHERE),
        ("", CheckFailureKind.SERVED_ELSEWHERE),
        ("blog_production/blog_production_1_1", CheckFailureKind.SERVED_ELSEWHERE),
        ("shop-production/shop_production_2_1", CheckFailureKind.SERVED_ELSEWHERE),
        ("shop_production/shop_production_1_1", CheckFailureKind.WRONG_RELEASE),
        ("shop_production/shop_production_2_1", None),
        ("shop_production/", None),
    ],
    ids=[
        *("something else", "empty", "another service", "a joined name"),
        *("the old release", "this release", "the edge itself"),
    ],
)
def test_only_a_replica_of_this_release_passes(
    said: str | None, kind: CheckFailureKind | None
) -> None:
    """The edge's own error pages come from no server; their status tells the rest."""
    assert [failure.kind for failure in OURS.failures(said)] == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    ("health", "route", "asked"),
    [
        ("/healthz", "/", "/healthz"),
        ("/healthz", "/api", "/api"),
        ("/api/healthz", "/api", "/api/healthz"),
        ("/api/healthz", "/api/", "/api/healthz"),
        ("/apihealth", "/api", "/api"),
        ("/api?deep=1", "/api", "/api?deep=1"),
    ],
)
def test_what_is_asked_through_the_edge_is_below_the_route(
    health: str, route: str, asked: str
) -> None:
    """Another service has the rest."""
    configuration = environment(
        health=Health(kind="http", path=health), route=Route(path=route, port=80)
    )
    assert edge_path(configuration) == asked
