"""The first hour: README's deploy.yaml and README's workflow, as they stand, deploy an application."""

from __future__ import annotations

import dataclasses
import urllib.request

import pytest
import yaml
from tests.fakes.github_server import TOKEN, FakeGitHub
from tests.support.act import Repository
from tests.support.pages import BLOCKS
from tests.support.registry import Registry

from deploy_action import __version__

pytestmark = [
    pytest.mark.act,
    pytest.mark.docker,
    pytest.mark.long,
    pytest.mark.xdist_group("act"),
]

DOCKERFILE = """\
FROM deploy-action-demo:1.0.0
ENTRYPOINT []
CMD ["/bin/sh", "-c", "VERSION=$DEPLOY_VERSION exec /usr/bin/python3 -IS /srv/shop.py"]
"""


def replaced(text: str, places: dict[str, str]) -> str:
    """Replace what names machines of others, and how long they are watched; nothing else."""
    for there, here in places.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return text


def test_what_the_readme_shows_goes_live_in_staging_and_production(
    store: Registry, caller: Repository, edge: str, ports: tuple[int, int], github: FakeGitHub
) -> None:
    """One build, gates, tests, both environments with secrets of their own; production is the
    digest that passed in staging."""
    config, workflow = [
        block.text for block in BLOCKS if (block.page, block.language) == ("README.md", "yaml")
    ]
    config = replaced(
        config,
        {
            "image: ghcr.io/acme/shop": f"image: {store.name}/shop",
            # This registry knows no users, and the job's token goes to GitHub's only.
            "registry: {server: ghcr.io, username: acme-bot, password: GITHUB_TOKEN}\n": "",
            '    hosts: ["ssh://deploy@staging.example.com"]\n': "",
            '    hosts: ["ssh://deploy@a.example.com", "ssh://deploy@b.example.com"]\n': "",
            "https://staging.example.com": f"http://localhost:{ports[0]}",
            "https://shop.example.com": f"http://localhost:{ports[1]}",
            "pause: 30s": "pause: 1s",
            "bake: 60s": "bake: 2s",
        },
    )
    shop = dataclasses.replace(
        caller,
        # Others cannot see the GitHub environments of the caller: its repository has the secrets.
        secrets={
            "GITHUB_TOKEN": TOKEN,
            "DEPLOY_SECRETS_STAGING": "DATABASE_URL=postgres://of-staging\n",
            "DEPLOY_SECRETS_PRODUCTION": "DATABASE_URL=postgres://of-production\n",
        },
        variables={"GITHUB_API_URL": github.url},
        runner=f"deploy-action:{__version__}",
    )
    shop.write("deploy.yaml", f"{config}edge: {{name: {edge}}}\nstop: {{timeout: 2s, drain: 2s}}\n")
    # The runner's image of this test has no make.
    shop.write(
        ".github/workflows/deploy.yml", replaced(workflow, {"test: make test": "test: test -d src"})
    )
    shop.write("Dockerfile", DOCKERFILE)
    shop.write("src/app.py", "print('shop')\n")
    assert yaml.safe_load(config)["environments"]["production"]["after"] == "staging"

    run = shop.run("deploy.yml")

    assert run.exit_code == 0, run.text
    version = run.outputs("Deploy/ci/build").get("version") or run.outputs()["version"]
    for port in ports:
        with urllib.request.urlopen(f"http://localhost:{port}/version", timeout=10) as answer:
            assert answer.headers["X-Version"] == version
