"""What a valid file means: defaults, overrides, units and routes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from deploy_action.config.merge import merge
from deploy_action.config.model import (
    Analysis,
    Build,
    CommandSmoke,
    Environment,
    ErrorLimits,
    Health,
    Hook,
    HttpSmoke,
    Resources,
    Route,
    Stop,
    TcpSmoke,
    Volume,
)
from deploy_action.config.resolve import resolve
from deploy_action.gates.bandit import BanditOptions


def only(text: str) -> Environment:
    """Return the single environment of a configuration given as YAML."""
    [environment] = several(text).values()
    return environment


def several(text: str) -> dict[str, Environment]:
    """Return the environments of a configuration given as YAML."""
    data: dict[str, Any] = {"version": 1, "service": "shop", **yaml.safe_load(text)}
    return dict(resolve(data, file="deploy.yaml").environments)


def test_everything_has_a_default() -> None:
    """Four lines are one environment, production, on the local engine."""
    environment = only("{image: shop, port: 8080}")
    assert environment == Environment(
        name="production", service="shop", image="shop", port=8080, route=Route()
    )
    assert environment.hosts == ("local",)


def test_an_environment_overrides_and_inherits() -> None:
    """Maps are merged key by key, lists and everything else are replaced."""
    environments = several(
        """
        image: shop
        port: 8080
        env: {LEVEL: info, REGION: eu}
        stop: {drain: 5s, timeout: 7s}
        smoke: [{name: home, path: /}, {name: other, path: /o}]
        retain: 3
        environments:
          staging: {env: {LEVEL: debug}, stop: {drain: 1s}, smoke: [{path: /s}], retain: 1}
          production:
        """
    )
    assert list(environments) == ["staging", "production"]
    staging, production = environments.values()
    assert staging.env == {"LEVEL": "debug", "REGION": "eu"}
    assert staging.stop == Stop(drain_seconds=1, timeout_seconds=7)
    assert [test.name for test in staging.smoke] == ["GET /s"]
    assert (staging.retain, production.retain) == (1, 3)
    assert production.env == {"LEVEL": "info", "REGION": "eu"}


@pytest.mark.parametrize(
    ("health", "more", "expected"),
    [
        ("{}", "port: 80", Health(kind="http", path="/")),
        ("{path: /h}", "port: 80", Health(kind="http", path="/h")),
        ("{}", "{port: 80, protocol: tcp}", Health(kind="tcp")),
        ("{path: /h}", "{port: 80, protocol: tcp}", Health(kind="http", path="/h")),
        ("{}", "{}", Health(kind="running")),
        ("{command: test -f x}", "{}", Health(kind="command", command=("sh", "-c", "test -f x"))),
        ("{command: [a, b]}", "port: 80", Health(kind="command", command=("a", "b"))),
        ("{kind: docker, interval: 1m30s}", "port: 80", Health(kind="docker", interval_seconds=90)),
    ],
)
def test_the_kind_of_health_check_follows(health: str, more: str, expected: Health) -> None:
    """Without a kind it is what the other keys say."""
    settings = {"image": "shop", "health": yaml.safe_load(health), **yaml.safe_load(more)}
    assert only(yaml.safe_dump(settings)).health == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{port: 8080}", Route(host="", path="/", port=80)),
        ("{port: 8080, url: 'http://Shop.example.com'}", Route(host="shop.example.com")),
        (
            "{port: 8080, url: 'https://a.example.com/shop'}",
            Route(host="a.example.com", path="/shop"),
        ),
        ("{port: 8080, url: 'https://a.example.com:8443'}", Route(host="a.example.com", port=8443)),
        ("{port: 8080, url: 'https://a', route: {port: 81}}", Route(host="a", port=81)),
        ("{port: 8080, url: 'https://a/x', route: {path: /}}", Route(host="a", path="/")),
        ("{port: 6379, protocol: tcp}", Route(port=6379)),
        ("{port: 6379, protocol: tcp, url: 'tcp://a:7000'}", Route(port=7000)),
        ("{port: 6379, protocol: tcp, route: {port: 7001}}", Route(port=7001)),
        ("{}", None),
    ],
)
def test_the_route_follows_from_url_and_route(text: str, expected: Route | None) -> None:
    """Host, path and port come from `route`, else from `url`, else every host on port 80."""
    assert only(yaml.safe_dump({"image": "shop", **yaml.safe_load(text)})).route == expected


@pytest.mark.parametrize(
    ("text", "names", "origin"),
    [
        (
            "url: https://a.test/x, route: {hosts: [b.test, A.test]}",
            ["a.test", "b.test"],
            "https://a.test",
        ),
        ("route: {hosts: [b.test, a.test], port: 81}", ["b.test", "a.test"], "http://b.test:81"),
        (
            "url: http://b.test:82, route: {host: a.test, hosts: [b.test]}",
            ["b.test", "a.test"],
            "http://b.test:82",
        ),
        ("url: https://x.test, route: {host: a.test}", ["a.test"], "http://a.test"),
        (
            "url: http://a.test, route: {certificate: {secret: S}}",
            ["a.test"],
            "https://a.test",
        ),
        ("url: 'http://[2001:db8::1]:82'", ["[2001:db8::1]"], "http://[2001:db8::1]:82"),
        ("route: {port: 81}", [""], ""),
    ],
)
def test_the_first_name_is_the_one_that_people_use(
    text: str, names: list[str], origin: str
) -> None:
    """The url's, where the route has it; redirects lead there, with its scheme and port."""
    environment = only(f"{{image: shop, port: 8080, {text}}}")
    assert environment.route is not None
    assert [environment.route.host, *environment.route.hosts] == names
    assert environment.origin == origin


def test_a_certificate_moves_the_route_to_443() -> None:
    """With a certificate the edge itself speaks TLS, on the port that people expect."""
    route = only(
        "{image: shop, port: 80, url: 'https://a', route: {certificate: {secret: S}}}"
    ).route
    assert route is not None
    assert route.port == 443
    assert route.certificate is not None
    assert route.certificate.secret == "S"


def test_short_forms_are_written_out() -> None:
    """Texts stand for their long forms: build, volumes, hooks, status, contains, bandit."""
    environment = only(
        """
        build: app
        port: 80
        volumes: ["data:/data", "/etc/x:/x:ro", "/y:/z:rw", {source: a, target: /a}]
        hooks: {pre_deploy: [{run: migrate now}, {name: b, run: [b], timeout: 1m}]}
        smoke:
          - {path: /, status: 204, contains: a}
          - {tcp: {}, through: [edge]}
          - {command: check it, timeout: 1s, retry: {deadline: 3s}}
        gates: {bandit: true}
        resources: {memory: 1.5g, cpus: 2, pids: 10}
        user: 1000
        env: {A: true, B: 1, C: 0.5}
        """
    )
    assert environment.build == Build(context="app")
    assert environment.volumes == (
        Volume(source="data", target="/data"),
        Volume(source="/etc/x", target="/x", read_only=True),
        Volume(source="/y", target="/z"),
        Volume(source="a", target="/a"),
    )
    assert environment.hooks.pre_deploy == (
        Hook(name="pre_deploy 1", command=("sh", "-c", "migrate now")),
        Hook(name="b", command=("b",), timeout_seconds=60),
    )
    http, tcp, command = environment.smoke
    assert http == HttpSmoke(name="GET /", path="/", status=(204,), contains=("a",))
    assert tcp == TcpSmoke(name="tcp", through=("edge",))
    assert isinstance(command, CommandSmoke)
    assert command.command == ("sh", "-c", "check it")
    assert (command.timeout_seconds, command.retry.deadline_seconds) == (1, 3)
    assert environment.gates == {"bandit": BanditOptions()}
    assert environment.resources == Resources(memory_bytes=3 * 2**29, cpus=2, pids=10)
    assert environment.user == "1000"
    assert environment.env == {"A": "true", "B": "1", "C": "0.5"}


@pytest.mark.parametrize(
    ("base", "override", "expected"),
    [
        (
            {"health": {"path": "/", "interval": "1s"}},
            {"health": {"kind": "tcp"}},
            {"interval", "kind"},
        ),
        ({"health": {"command": "x"}}, {"health": {"path": "/"}}, {"path"}),
        ({"health": {"path": "/"}}, {"health": {"interval": "1s"}}, {"path", "interval"}),
        ({"build": "app"}, {"build": {"target": "t"}}, {"context", "target"}),
        ({"gates": {"bandit": True}}, {"gates": {"bandit": {"paths": ["x"]}}}, {"bandit"}),
    ],
)
def test_ways_to_say_one_thing_replace_each_other(
    base: dict[str, Any], override: dict[str, Any], expected: set[str]
) -> None:
    """An environment that names one alternative does not inherit the other."""
    [merged] = merge(base, override).values()
    assert set(merged) == expected


@pytest.mark.parametrize(
    ("written", "share"), [("5%", 0.05), (0.05, 0.05), ("0.5%", 0.005), ("100%", 1.0), (0, 0.0)]
)
def test_a_share_is_a_percentage_or_a_number(written: str | float, share: float) -> None:
    """`limit: 5%` and `limit: 0.05` mean the same."""
    strategy = {"canary": [10], "analysis": {"limit": written}}
    found = only(yaml.safe_dump({"image": "shop", "port": 80, "strategy": strategy}))
    assert found.strategy.analysis == Analysis(limit=share)


def test_the_analysis_holds_what_is_written_and_has_defaults() -> None:
    """Every key arrives in the engine's words; without the key the defaults of the model hold."""
    written = (
        "{errors: {times: 2, floor: 0.5%, notice: 1%, dry_run: true}, latency: 500ms, "
        "false_alarms: 0.1%, burst: 10s, no_data: fail}"
    )
    found = only(f"{{image: shop, port: 80, strategy: {{analysis: {written}}}}}")
    assert found.strategy.analysis == Analysis(
        errors=ErrorLimits(times=2, floor=0.005, notice=0.01, dry_run=True),
        latency_seconds=0.5,
        false_alarms=0.001,
        burst_seconds=10,
        no_data="fail",
    )
    assert only("{image: shop, port: 80}").strategy.analysis == Analysis()


def test_a_smoke_test_is_retried_for_three_seconds() -> None:
    """Longer waiting has to be asked for: by then the replica is healthy."""
    [test] = only("{image: shop, port: 80, smoke: [{path: /}]}").smoke
    assert test.retry.deadline_seconds == 3
