"""The page for the team: complete, the same every time, and safe to render."""

from __future__ import annotations

import re

import pytest

from deploy_action.config.model import (
    Build,
    CommandSmoke,
    DeployConfig,
    EdgeOptions,
    Environment,
    HttpSmoke,
    Route,
    Strategy,
    TcpSmoke,
)
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.config_files import ConfigFile, ConfigFilesOptions
from deploy_action.render.team_page import team_page

STAGING = Environment(
    name="staging",
    service="shop",
    image="ghcr.io/acme/shop",
    build=Build(),
    hosts=("ssh://deploy@s.example.com",),
    port=8080,
    url="https://staging.example.com",
    route=Route(host="staging.example.com"),
    secrets=("DATABASE_URL",),
    gates={
        "bandit": BanditOptions(paths=("src",)),
        "config": ConfigFilesOptions(
            files=(ConfigFile(file="app.yaml", schema="s.json", required=("db.host",)),)
        ),
    },
    smoke=(
        HttpSmoke(name="home", path="/a|b", contains=("`Shop`",), within_seconds=0.5),
        TcpSmoke(name="port", expect="220"),
        CommandSmoke(name="self", command=("app", "--check")),
    ),
)
PRODUCTION = Environment(
    name="production",
    service="shop",
    image="ghcr.io/acme/shop",
    hosts=("ssh://a", "ssh://b"),
    port=8080,
    route=Route(host="shop.example.com"),
    after="staging",
    strategy=Strategy(canary=(10, 50)),
    bake_seconds=60,
    edge=EdgeOptions(name="front"),
)
CONFIG = DeployConfig(
    file="deploy.yaml",
    service="shop",
    environments={"staging": STAGING, "production": PRODUCTION},
)
PAGE = team_page(CONFIG)


@pytest.mark.parametrize(
    "fact",
    [
        "# How shop is deployed",
        "| **staging** | https://staging.example.com | `ssh://deploy@s.example.com` | 1 |",
        "10 % → 50 % → 100 %, 30s between",
        "staging → production",
        "| staging | bandit | src: no finding of severity medium or higher |",
        "| staging | config | app.yaml: satisfies s.json; has db.host |",
        "`GET /a\\|b` answers 200, contains `` `Shop` ``, within 500 ms",
        "the port accepts and says `220`",
        "`app --check` exits 0 in the new container",
        "| staging | `DATABASE_URL` |",
        "deploy-action promote -e production  # what passed in staging",
        "deploy-action rollback -e production  # the last stable release",
        "--filter label=deploy-action.environment=production",
        "docker exec front haproxy -c -f /state/edge/haproxy.cfg",
        "export DOCKER_HOST=ssh://a",
    ],
)
def test_the_page_says(fact: str) -> None:
    """Process, environments, gates, tests, secrets, and all three ways back."""
    assert fact in PAGE


def test_the_page_is_the_same_every_time() -> None:
    """It can be committed, and a change in it means a change of the process."""
    assert team_page(CONFIG) == PAGE


def test_tables_have_as_many_cells_in_every_row() -> None:
    """A bar inside of a value does not add a column."""
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_names_cannot_break_out_of_the_text() -> None:
    """What deploy.yaml holds is shown, not rendered."""
    environment = Environment(name="<img src=x>", service="*shop*", image="x")
    page = team_page(DeployConfig(file="f", service="*shop*", environments={"x": environment}))
    assert "# How \\*shop\\* is deployed" in page
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page, flags=re.DOTALL)
    assert "<img" not in prose.replace("\\<img", "")


def test_a_worker_is_rolled_back_without_the_edge() -> None:
    """No port, no route: stop the one, start the other."""
    worker = Environment(name="jobs", service="shop", image="x")
    page = team_page(DeployConfig(file="f", service="shop", environments={"jobs": worker}))
    assert "haproxy" not in page
    assert 'docker start "$OLD"' in page


def test_fences_and_details_are_closed() -> None:
    """An open block would swallow the rest of the page."""
    assert len(re.findall("^```", PAGE, re.MULTILINE)) % 2 == 0
    assert PAGE.count("<details>") == PAGE.count("</details>") == 2
