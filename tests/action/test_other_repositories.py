"""Repositories of others, each by itself, that call the workflows and the actions by name."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.act import CHECKOUT, ROOT, Repository, copy_of_this_repository, named_apart
from tests.support.registry import Registry, registry
from tests.support.sandbox import docker

from deploy_action import __version__
from deploy_action.releases.attestation import PREFIX

pytestmark = [pytest.mark.act, pytest.mark.docker]

EXAMPLES = ROOT / "examples/workflows"
SHOP = """\
version: 1
service: shop
image: {image}
port: 8080
pull: {pull}
health: {{path: /healthz, deadline: 10s}}
smoke:
  - {{name: home, path: /, status: 200, retry: {{deadline: 1s}}}}
secrets: [TOKEN]
watch: 0s
stop: {{timeout: 2s, drain: 5s}}
edge: {{name: {edge}}}
environments:
  staging: {{url: "http://localhost:{staging}"}}
  production: {{url: "http://localhost:{production}", after: staging}}
"""


def answers(port: int) -> bool:
    with urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=10) as answer:
        return bool(answer.status == 200)


def test_a_pipeline_of_an_organisation_builds_once_and_deploys_everywhere(
    store: Registry, caller: Repository, tmp_path: Path, edge: str, ports: tuple[int, int]
) -> None:
    """Three repositories: a service calls the organisation's pipeline with secrets, that calls
    ours; what was built and pushed once is what serves in both environments, with a proof, and the
    version comes back to the pipeline; a schedule finds both well. (To the service too, on GitHub: act forgets what is two calls away.)"""
    image, pipelines = f"{store.name}/shop", tmp_path / "pipelines"
    pipeline = pipelines / ".github/workflows/organisation-pipeline.yml"
    pipeline.parent.mkdir(parents=True)
    text = (
        (EXAMPLES / pipeline.name).read_text() + "  after:\n"
        "    needs: deploy\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - run: echo the pipeline sees ${{ needs.deploy.outputs.version }}\n"
    )
    pipeline.write_text(named_apart(pipeline.name, text))
    subprocess.run(["git", "init", "-q", str(pipelines)], check=True)
    service = Repository(
        path=caller.path,
        action=caller.action,
        secrets={**caller.secrets, "DEPLOY_PROOF_KEY": "k" * 32},
        others={"acme/pipelines@v1": pipelines},
    )
    given = (EXAMPLES / "organisation-service.yml").read_text()
    service.write(
        ".github/workflows/deploy.yml",
        given.replace("test: make test", "test: 'grep -q shop deploy.yaml && echo \"it is a $0\"'"),
    )
    service.write("Dockerfile", "FROM deploy-action-demo:1.0.0\nLABEL of=shop\n")
    text = SHOP.format(
        image=image, pull="missing", edge=edge, staging=ports[0], production=ports[1]
    )
    service.write("deploy.yaml", f"{text}build: {{push: true}}\n")

    run = service.run("deploy.yml")

    assert run.exit_code == 0, run.text
    version, digest = run.outputs()["version"], run.outputs()["digest"]
    known = docker("inspect", "-f", "{{.RepoDigests}}", f"{image}:{version}")
    service.write(".github/workflows/monitor.yml", (EXAMPLES / "monitor.yml").read_text())
    watched = service.run("monitor.yml", event="schedule")

    assert watched.exit_code == 0, watched.text
    assert watched.log.count("::set-output:: outcome=healthy") == 2
    assert "it is a bash" in run.log
    assert f"the pipeline sees {version}" in run.log
    assert f"{image}@{digest}" in known
    assert run.outputs()["proof"].startswith(PREFIX)
    assert run.log.count(f"building {image}") == 1
    assert all(answers(port) for port in ports)
    assert "tr0ub4dor-and-3" not in run.log


def test_a_pull_request_from_a_fork_is_checked_and_planned_without_a_secret(
    tmp_path: Path, action: Path, edge: str, ports: tuple[int, int]
) -> None:
    """The example as it is: gates, tests and plans for both environments pass, the findings are
    kept but not shown where a fork may not write, nothing is built and no host is asked."""
    fork = Repository(path=tmp_path / "fork", action=action)
    text = SHOP.format(
        image="ghcr.io/acme/shop", pull="always", edge=edge, staging=ports[0], production=ports[1]
    )
    hosts = 'hosts: ["ssh://deploy@shop.example.com"]\ngates: {bandit: {paths: [src]}}\nbuild: .\n'
    fork.write("deploy.yaml", text + hosts)
    fork.write("src/app.py", "print('shop')\n")
    given = (EXAMPLES / "pull-request.yml").read_text()
    fork.write(
        ".github/workflows/pull-request.yml",
        given.replace("test: make test", "test: test -f src/app.py"),
    )
    payload = {
        "action": "opened",
        "number": 7,
        "pull_request": {
            "number": 7,
            "head": {"ref": "change", "repo": {"full_name": "eve/shop", "fork": True}},
            "base": {"ref": "main", "repo": {"full_name": "acme/shop", "fork": False}},
        },
    }

    run = fork.run("pull-request.yml", event="pull_request", payload=payload)

    assert run.exit_code == 0, run.text
    ended = run.results()
    assert set(ended.values()) == {"success"}
    assert {name.rpartition("/")[2] for name in ended} == {
        *("check", "test", "plan for staging-1", "plan for production-2"),
    }
    for name in ("staging", "production"):
        assert re.search(rf"(?i)the plan for \w+ in {name}; nothing was changed", run.log)
    assert "stand-in keeps gates deploy-action.sarif" in run.log
    made = docker("ps", "-aq", "--filter", f"label=deploy-action.edge={edge}")
    assert made == ""


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Path]:
    """Our repository as a release leaves it: its actions take an image from a registry."""
    copy = copy_of_this_repository(tmp_path / "released")
    with registry() as store:
        images = []
        for name in ("deploy-action", "deploy-action-build"):
            digest = store.push(f"{name}:{__version__}", f"{name}:release")
            images.append(f"127.0.0.1:{store.inner}/{name}@{digest}")
        subprocess.run([copy / "scripts/release", "pin", *images], check=True)
        yield copy
        docker("rmi", "-f", images[0])


@pytest.mark.long
def test_single_steps_of_a_release_are_actions_of_their_own(
    released: Path, tmp_path: Path, edge: str, ports: tuple[int, int]
) -> None:
    """validate, plan and rollback by their folders, between two deployments, in one job; the image
    is the one that the release names by its digest, and none is built."""
    caller = Repository(
        path=tmp_path / "steps",
        action=released,
        secrets={"DEPLOY_SECRETS": "TOKEN=tr0ub4dor-and-3\n"},
    )
    text = SHOP.format(
        image="deploy-action-demo", pull="never", edge=edge, staging=ports[0], production=ports[1]
    )
    caller.write("deploy.yaml", text)
    deploy = """\
      - uses: org/deploy-action@v1
        with: {{environment: staging, version: {version}, secrets: "${{{{ secrets.DEPLOY_SECRETS }}}}"}}
"""
    caller.write(
        ".github/workflows/steps.yml",
        f"""\
on: push
jobs:
  steps:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - id: validate
        uses: org/deploy-action/validate@v1
{deploy.format(version="1.0.0")}\
{deploy.format(version="2.0.0")}\
      - id: plan
        uses: org/deploy-action/plan@v1
        with: {{environment: staging, version: 1.0.0, secrets: "${{{{ secrets.DEPLOY_SECRETS }}}}"}}
      - id: rollback
        uses: org/deploy-action/rollback@v1
        with: {{environment: staging, from: 2.0.0, reason: slow}}
      - run: >-
          echo "outcomes: ${{{{ steps.validate.outputs.outcome }}}}
          ${{{{ steps.plan.outputs.outcome }}}} ${{{{ steps.rollback.outputs.outcome }}}}
          ${{{{ steps.rollback.outputs.serving }}}}"
""",
    )

    run = caller.run("steps.yml")

    assert run.exit_code == 0, run.text
    assert "outcomes: valid planned rolled-back 1.0.0" in run.log
    assert "Step 1/" not in run.log, "an image was built"
    assert "deploy-action@sha256:" in run.log
