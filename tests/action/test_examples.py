"""Callers of examples/workflows as somebody copies them: what they built is what serves, and no more."""

from __future__ import annotations

import dataclasses
import json
import re
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from tests.fakes.github_server import TOKEN, FakeGitHub
from tests.support.act import ROOT, Repository
from tests.support.registry import Registry
from tests.support.sandbox import docker, free_port

from deploy_action import __version__
from deploy_action.releases.attestation import PREFIX

pytestmark = [
    pytest.mark.act,
    pytest.mark.docker,
    pytest.mark.long,
]

DOCKERFILE = """\
FROM deploy-action-demo:1.0.0
WORKDIR /srv
COPY manage.py .
ENV VERSION="{says}" FAIL_RATE={fail_rate}
ENTRYPOINT []
CMD ["/usr/bin/python3", "-IS", "/srv/shop.py"]
"""
TASK = """\
#!/usr/bin/python3
import os, sys
print("the task", *sys.argv[1:], "runs in", os.environ["VERSION"])
"""
AFTER = """
  after:
    needs: {job}
    runs-on: ubuntu-latest
    steps:
      - run: echo the caller sees ${{{{ needs.{job}.outputs.version }}}}
"""


def copied(repository: Repository, *names: str) -> None:
    """Copy examples; only the test's command is another one, as the runner's image has no make."""
    for name in names:
        text = (ROOT / "examples/workflows" / name).read_text()
        text = text.replace("test: make test\n", "test: grep shop.py Dockerfile\n")
        text = re.sub("test: make -C (.*) test\n", r"test: grep -r shop.py \1\n", text)
        # act hands on no output of a call whose last job was skipped: the tag stands in for the digest.
        text = re.sub(r"(needs\.staging\.outputs\.\w+) \|\| 'required'", r"\1", text)
        repository.write(f".github/workflows/{name}", text)


def described(service: str, image: str, edge: str, places: Mapping[str, int]) -> str:
    """Return a deploy.yaml: an environment for each name and port, all of them after the first."""
    first = next(iter(places))
    config: dict[str, Any] = {
        "version": 1,
        "service": service,
        "image": image,
        "build": {"push": True},
        "port": 8080,
        "health": {"path": "/healthz", "deadline": "10s"},
        "smoke": [{"name": "home", "path": "/", "status": 200, "retry": {"deadline": "1s"}}],
        "stop": {"timeout": "2s", "drain": "2s"},
        "edge": {"name": edge},
        "environments": {
            name: {"url": f"http://localhost:{port}"} | ({} if name == first else {"after": first})
            for name, port in places.items()
        },
    }
    return json.dumps(config)


def source(repository: Repository, says: str, *, folder: str = ".", fail_rate: int = 0) -> None:
    """Write an application that claims to be such a version."""
    text = DOCKERFILE.format(says=says, fail_rate=fail_rate)
    repository.write(f"{folder}/Dockerfile", text)
    repository.write(f"{folder}/manage.py", TASK).chmod(0o755)


def served(places: Mapping[str, int]) -> list[str]:
    """Ask in each environment what it is that serves."""
    said = []
    for port in places.values():
        with urllib.request.urlopen(f"http://localhost:{port}/version", timeout=10) as answer:
            said.append(str(answer.headers["X-Version"]))
    return said


def replicas(edge: str, service: str) -> dict[str, str]:
    """Return the image of each running replica, by its container's id."""
    labels = (f"edge={edge}", "kind=replica", f"service={service}")
    filters = [part for label in labels for part in ("--filter", f"label=deploy-action.{label}")]
    shown = docker("ps", "--no-trunc", "--format", "{{.ID}} {{.Image}}", *filters)
    return dict(line.split() for line in shown.splitlines())


@pytest.fixture
def shop(caller: Repository) -> Repository:
    """A repository without secrets but the proof's key; the runner's image has git, as GitHub's."""
    return dataclasses.replace(
        caller, secrets={"DEPLOY_PROOF_KEY": "k" * 32}, runner=f"deploy-action:{__version__}"
    )


def test_one_service_is_built_once_for_both_environments_and_runs_its_task_at_night(
    store: Registry, shop: Repository, edge: str, ports: tuple[int, int], github: FakeGitHub
) -> None:
    """single-service.yml: one digest, pushed once, serves in staging and production, and stands on
    GitHub for both. Then scheduled-task.yml: the command as it stands there runs in a container of
    that release, and what serves is left alone."""
    shop = dataclasses.replace(
        shop,
        secrets={**shop.secrets, "GITHUB_TOKEN": TOKEN},
        variables={"GITHUB_API_URL": github.url},
    )
    places = dict(zip(("staging", "production"), ports, strict=True))
    image = f"{store.name}/shop"
    copied(shop, "single-service.yml", "scheduled-task.yml")
    workflow = shop.path / ".github/workflows/single-service.yml"
    workflow.write_text(workflow.read_text() + AFTER.format(job="deploy"))
    source(shop, "one")
    shop.write("deploy.yaml", described("shop", image, edge, places))
    github.commits.append(shop.commit("first"))

    run = shop.run("single-service.yml")

    assert run.exit_code == 0, run.text
    built = run.outputs("ci/ci/build")
    assert served(places) == ["one", "one"]
    assert set(replicas(edge, "shop").values()) == {f"{image}@{built['digest']}"}
    assert run.log.count(f"building {image}") == 1
    assert f"the caller sees {built['version']}" in run.log
    assert github.live() == {(name, "deploy:shop", built["version"]) for name in places}
    assert [github.states(entry["id"]) for entry in github.deployments] == [
        ["in_progress", "success"]
    ] * 2

    before = replicas(edge, "shop")
    night = shop.run("scheduled-task.yml", event="schedule")

    assert night.exit_code == 0, night.text
    assert "the task clearsessions runs in one" in night.log
    assert replicas(edge, "shop") == before


def test_both_productions_get_what_passed_in_staging_and_neither_what_did_not(
    store: Registry, shop: Repository, edge: str
) -> None:
    """several-environments.yml: staging's digest and proof go to two productions side by side; a
    release that staging's smoke tests refuse reaches none of them."""
    places = {name: free_port() for name in ("staging", "production-eu", "production-us")}
    image = f"{store.name}/shop"
    copied(shop, "several-environments.yml")
    source(shop, "one")
    shop.write("deploy.yaml", described("shop", image, edge, places))

    run = shop.run("several-environments.yml")

    assert run.exit_code == 0, run.text
    assert served(places) == ["one", "one", "one"]
    digest = run.outputs("ci/ci/build")["digest"]
    before = replicas(edge, "shop")
    assert len(before) == 3
    assert set(before.values()) == {f"{image}@{digest}"}
    assert run.outputs("staging/deploy/staging")["proof"].startswith(PREFIX)

    source(shop, "two", fail_rate=1)
    shop.commit("break it")
    broken = shop.run("several-environments.yml")

    assert broken.exit_code != 0
    assert broken.outputs("staging/deploy/staging")["outcome"] == "failed", broken.text
    assert not any("production" in job for job in broken.results()), broken.results()
    assert served(places) == ["one", "one", "one"]
    assert replicas(edge, "shop") == before


def test_only_the_service_of_a_monorepo_that_changed_is_deployed(
    store: Registry, shop: Repository, edge: str
) -> None:
    """monorepo.yml and monorepo-service.yml: the first push deploys both services, each by itself;
    the second one that which it changed, and the other's replicas are not touched; a third one
    that changes neither deploys nothing."""
    names = ("shop", "accounts")
    places = {name: {e: free_port() for e in ("staging", "production")} for name in names}
    copied(shop, "monorepo.yml", "monorepo-service.yml")
    # act names a container by the last two parts of the job's name, which both services share.
    caller = shop.path / ".github/workflows/monorepo.yml"
    text = caller.read_text()
    caller.write_text(
        text.replace("fail-fast: false\n", "max-parallel: 1\n      fail-fast: false\n")
    )
    for name in names:
        folder = f"services/{name}"
        source(shop, f"{name} one", folder=folder)
        text = described(name, f"{store.name}/{name}", edge, places[name])
        shop.write(f"{folder}/deploy.yaml", text)
    first = shop.commit("first")

    run = shop.run("monorepo.yml", payload={"before": "0" * 40})

    assert run.exit_code == 0, run.text
    for name in names:
        assert served(places[name]) == [f"{name} one"] * 2
        images = {image.partition("@")[0] for image in replicas(edge, name).values()}
        assert images == {f"{store.name}/{name}"}

    before = {name: replicas(edge, name) for name in names}
    source(shop, "accounts two", folder="services/accounts")
    second = shop.commit("change accounts")
    run = shop.run("monorepo.yml", payload={"before": first})

    assert run.exit_code == 0, run.text
    assert served(places["accounts"]) == ["accounts two"] * 2
    assert replicas(edge, "accounts").keys().isdisjoint(before["accounts"])
    assert served(places["shop"]) == ["shop one"] * 2
    assert replicas(edge, "shop") == before["shop"]

    shop.write("README.md", "two services\n")
    shop.commit("explain")
    run = shop.run("monorepo.yml", payload={"before": second})

    assert run.exit_code == 0, run.text
    assert set(run.results()) == {"Deploy services/changed"}
