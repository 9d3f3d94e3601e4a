"""The action in a workflow, under act, on the real engine of this machine."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.support.act import CHECKOUT, ROOT, Repository, copy_of_this_repository

pytestmark = [pytest.mark.act, pytest.mark.docker]

SHOP = """\
version: 1
service: shop
image: deploy-action-demo
port: 8080
pull: never
watch: 0s
health: {{path: /healthz, deadline: 10s, identity: {{header: X-Version}}}}
smoke:
  - {{name: home, path: /, status: 200, retry: {{deadline: 1s}}}}
secrets: [TOKEN]
stop: {{timeout: 2s, drain: 5s}}
edge: {{name: {edge}}}
environments:
  staging: {{url: "http://localhost:{staging}"}}
  production: {{url: "http://localhost:{production}", after: staging}}
"""


def _workflow(given: str, then: str = "true") -> str:
    return f"""\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - id: deploy
        uses: org/deploy-action@v1
        with:
{given}
      - run: {then}
"""


def _served(port: int) -> str | None:
    with urllib.request.urlopen(f"http://localhost:{port}/version", timeout=10) as answer:
        version: str | None = answer.headers["X-Version"]
        return version


def test_a_workflow_deploys_for_real_and_the_next_step_reads_the_outputs(
    caller: Repository, edge: str, ports: tuple[int, int]
) -> None:
    """`uses:` deploys to the engine; outputs and summary say so; a secret reaches the container
    and nothing else."""
    caller.write("deploy.yaml", SHOP.format(edge=edge, staging=ports[0], production=ports[1]))
    given = (
        "          environment: staging\n"
        "          version: 1.0.0\n"
        "          secrets: ${{ secrets.DEPLOY_SECRETS }}"
    )
    said = (
        "echo next step sees ${{ steps.deploy.outputs.outcome }} "
        "${{ steps.deploy.outputs.version }} ${{ steps.deploy.outputs.url }}"
        '; cat "$GITHUB_STEP_SUMMARY"'
    )
    caller.write(".github/workflows/first.yml", _workflow(given, said))

    run = caller.run("first.yml")

    assert run.exit_code == 0, run.text
    assert _served(ports[0]) == "1.0.0"
    assert f"next step sees deployed 1.0.0 http://localhost:{ports[0]}" in run.log
    assert "## ✅ shop 1.0.0 is live in staging" in run.log
    assert "::add-mask" not in run.log
    assert "tr0ub4dor-and-3" not in run.log
    found = subprocess.run(
        [
            *("docker", "ps", "-q", "--filter", f"label=deploy-action.edge={edge}"),
            *("--filter", "label=deploy-action.kind=replica"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    env = subprocess.run(
        ["docker", "inspect", "-f", "{{json .Config.Env}}", *found],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "TOKEN=tr0ub4dor-and-3" in env


def test_the_action_deploys_from_its_own_checkout(
    tmp_path: Path, edge: str, ports: tuple[int, int]
) -> None:
    """`uses: ./` after a checkout is the same action, built from its Dockerfile: the way in which
    we deploy with ourselves."""
    path = copy_of_this_repository(tmp_path / "own")
    shutil.rmtree(path / ".git")
    own = Repository(path=path, action=path, secrets={"DEPLOY_SECRETS": "TOKEN=x1\n"})
    own.write("deploy.yaml", SHOP.format(edge=edge, staging=ports[0], production=ports[1]))
    given = (
        "          environment: staging\n"
        "          version: 2.0.0\n"
        "          secrets: ${{ secrets.DEPLOY_SECRETS }}"
    )
    workflow = _workflow(given).replace("uses: org/deploy-action@v1", "uses: ./")
    own.write(".github/workflows/own.yml", workflow)

    run = own.run("own.yml")

    assert run.exit_code == 0, run.text
    assert _served(ports[0]) == "2.0.0"


def test_what_is_wrong_in_deploy_yaml_is_annotated_at_its_line(caller: Repository) -> None:
    """A misspelt key becomes an annotation at file, line and column, and the step fails with 2."""
    caller.write("deploy.yaml", "version: 1\nservice: shop\nimage: shop\nport: 8080\nreplcias: 2\n")
    caller.write(".github/workflows/check.yml", _workflow("          command: validate"))

    run = caller.run("check.yml")

    assert run.exit_code != 0
    assert run.outputs()["outcome"] == "invalid"
    assert run.outputs()["exit-code"] == "2"
    placed = [
        (e["kvPairs"]["file"], e["kvPairs"]["line"], e["kvPairs"]["col"])  # type: ignore[index]
        for e in run.annotations("error")
        if "file" in (e.get("kvPairs") or {})  # type: ignore[operator]
    ]
    assert ("deploy.yaml", "5", "1") in placed, run.text


def test_bandit_findings_are_annotated_and_nothing_is_deployed(
    caller: Repository, edge: str, ports: tuple[int, int]
) -> None:
    """A finding refuses the deployment, is shown at its line, and stands in the SARIF file."""
    gates = "gates: {bandit: {paths: [src]}}\n"
    text = SHOP.format(edge=edge, staging=ports[0], production=ports[1])
    caller.write("deploy.yaml", text.replace("edge:", f"{gates}edge:"))
    caller.write("src/app.py", "import subprocess\n\nsubprocess.run('ls', shell=True)\n" * 1)
    caller.write("src/db.py", "import pickle\n\n\ndef load(data):\n    return pickle.loads(data)\n")
    given = (
        "          environment: staging\n"
        "          version: 1.0.0\n"
        "          sarif-file: bandit.sarif\n"
        "          secrets: ${{ secrets.DEPLOY_SECRETS }}"
    )
    caller.write(".github/workflows/gated.yml", _workflow(given))

    run = caller.run("gated.yml")

    assert run.exit_code != 0
    assert run.outputs()["outcome"] == "refused"
    lines = {
        (pairs["file"], pairs["line"])
        for e in run.annotations("error") + run.annotations("warning")
        if isinstance(pairs := e.get("kvPairs"), dict) and "file" in pairs
    }
    assert ("src/db.py", "5") in lines, run.text
    made = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=deploy-action.edge={edge}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert made == ""


def test_another_repository_calls_the_workflows_by_name(
    caller: Repository, edge: str, ports: tuple[int, int]
) -> None:
    """deploy.yml takes a version through staging to production; the button of the examples, which
    calls rollback.yml, brings the one before back, and pressed twice it does no harm."""
    caller.write("deploy.yaml", SHOP.format(edge=edge, staging=ports[0], production=ports[1]))
    caller.write(
        ".github/workflows/deploy.yml",
        "on: {workflow_dispatch: {inputs: {version: {type: string}}}}\n"
        "jobs:\n"
        "  deploy:\n"
        "    uses: org/deploy-action/.github/workflows/deploy.yml@v1\n"
        "    with: {version: '${{ inputs.version }}'}\n"
        "    secrets: inherit\n"
        "  after:\n"
        "    needs: deploy\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - run: echo the caller sees ${{ needs.deploy.outputs.version }}\n",
    )
    button = (ROOT / "examples/workflows/rollback-button.yml").read_text()
    caller.write(".github/workflows/rollback.yml", button)
    for version in ("1.0.0", "2.0.0"):
        run = caller.run("deploy.yml", event="workflow_dispatch", inputs={"version": version})
        assert run.exit_code == 0, run.text
        assert f"the caller sees {version}" in run.log
        assert (_served(ports[0]), _served(ports[1])) == (version, version)

    pressed = {"environment": "production", "from": "2.0.0", "reason": "the shop is slow"}
    for outcome in ("rolled-back", "unchanged"):
        run = caller.run("rollback.yml", event="workflow_dispatch", inputs=pressed)
        assert run.exit_code == 0, run.text
        assert run.outputs()["outcome"] == outcome
        assert (_served(ports[0]), _served(ports[1])) == ("2.0.0", "1.0.0")
