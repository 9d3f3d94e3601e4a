"""What workflows leave on GitHub: its API is the fake that holds each request against GitHub's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.github_server import TOKEN, FakeGitHub
from tests.support.act import CHECKOUT, Repository
from tests.support.sandbox import Sandbox, docker, sandbox

pytestmark = [pytest.mark.act, pytest.mark.docker]

RELEASE = """\
on: push
jobs:
  production:
    runs-on: ubuntu-latest
    steps:
      - uses: {checkout}
      - id: shop
        uses: org/deploy-action@v1
        with: {{version: {version}, live-tag: true, release-notes: true}}
      - run: echo "$NOTES"
        env:
          NOTES: ${{{{ steps.shop.outputs.release-notes }}}}
"""
PLAN = f"""\
on: pull_request
jobs:
  plan:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - uses: org/deploy-action@v1
        with: {{command: plan, environment: production, version: 2.0.0, comment: true}}
"""
WATCH = """\
on: schedule
jobs:
  monitor:
    uses: org/deploy-action/.github/workflows/monitor.yml@v1
    with: {environment: production}
    secrets: inherit
"""
RUN = "https://github.com/acme/shop/actions/runs/1"
REQUEST = {"number": 7, "pull_request": {"number": 7, "head": {"repo": {"full_name": "acme/shop"}}}}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Sandbox]:
    """A shop that nobody deployed yet."""
    with sandbox(tmp_path) as box:
        yield box


@pytest.fixture
def repository(shop: Sandbox, action: Path, github: FakeGitHub) -> Repository:
    """Its repository, whose jobs find GitHub's API where the runner says that it is."""
    return Repository(
        path=shop.directory,
        action=action,
        secrets={"GITHUB_TOKEN": TOKEN},
        variables={"GITHUB_API_URL": github.url},
    )


def test_what_goes_live_and_what_is_planned_stands_on_github(
    shop: Sandbox, repository: Repository, github: FakeGitHub
) -> None:
    """The plan is one comment of the pull request, brought up to date in place when another release
    serves. A deployment is in progress and then a success, with the addresses of run and
    environment, and ends the one before; what is live has an annotated tag, and the next step reads
    the commits between the two."""

    def released(version: str, message: str) -> str:
        text = RELEASE.format(checkout=CHECKOUT, version=version)
        repository.write(".github/workflows/release.yml", text)
        commit = repository.commit(message)
        github.commits.append(commit)
        github.messages[commit] = message
        return commit

    repository.write(".github/workflows/plan.yml", PLAN)
    first = released("1.0.0", "open the shop")
    planned = repository.run("plan.yml", event="pull_request", payload=REQUEST)
    assert planned.exit_code == 0, planned.text
    (comment,) = github.comments
    before = str(comment["body"])

    begun = repository.run("release.yml")

    assert begun.exit_code == 0, begun.text
    (opened,) = github.deployments
    assert (opened["sha"], opened["environment"], opened["task"]) == (
        *(first, "production", "deploy:shop"),
    )
    progress, success = github.statuses[opened["id"]]
    assert (progress["state"], progress["log_url"]) == ("in_progress", RUN)
    assert (success["state"], success["log_url"], success["environment_url"]) == (
        *("success", RUN, shop.url),
    )

    planned = repository.run("plan.yml", event="pull_request", payload=REQUEST)

    assert planned.exit_code == 0, planned.text
    (updated,) = github.comments
    assert (updated["id"], updated["issue"]) == (comment["id"], 7)
    assert "first deployment" in before
    assert "first deployment" not in updated["body"]

    second = released("2.0.0", "sell carrots, too (#12)")
    done = repository.run("release.yml")

    assert done.exit_code == 0, done.text
    assert shop.serving() == "2.0.0"
    newest = github.deployments[1]
    assert newest["sha"] == second
    assert github.states(opened["id"]) == ["in_progress", "success", "inactive"]
    assert github.states(newest["id"]) == ["in_progress", "success"]
    assert github.live() == {("production", "deploy:shop", "2.0.0")}
    names = {name: github.tags[tag] for name, tag in github.refs.items()}
    assert [(name, tag["object"]) for name, tag in names.items()] == [
        ("refs/tags/deploy/production/shop/1.0.0-1", first),
        ("refs/tags/deploy/production/shop/2.0.0-2", second),
    ]
    assert "shop 2.0.0 went live in production" in list(names.values())[1]["message"]
    notes = done.outputs()["release-notes"]
    assert notes.startswith("### New since 1.0.0")
    assert "sell carrots, too ([#12](https://github.com/acme/shop/pull/12))" in done.log


@pytest.mark.long
def test_one_issue_is_open_as_long_as_something_is_wrong(
    shop: Sandbox, repository: Repository, github: FakeGitHub
) -> None:
    """monitor.yml opens an issue when the replica has died, leaves it alone while nothing changes,
    brings it up to date when the container is gone as well, and closes it when a release serves."""
    shop.deployed("1.0.0")
    (replica,) = shop.containers()
    repository.write(".github/workflows/watch.yml", WATCH)

    def looked(outcome: str) -> None:
        run = repository.run("watch.yml", event="schedule")
        assert f"outcome={outcome}" in run.log, run.text
        assert (run.exit_code == 0) == (outcome == "healthy"), run.text

    docker("kill", replica)
    looked("unhealthy")
    (issue,) = github.issues
    assert issue["title"] == "shop in production is not well"
    opened = dict(issue)
    looked("unhealthy")
    assert (issue, github.comments) == (opened, [])

    docker("rm", replica)
    looked("unhealthy")
    assert issue["state"] == "open"
    assert issue["body"] != opened["body"]
    (changed,) = github.comments
    assert "What is wrong has changed" in changed["body"]

    shop.deployed("2.0.0")
    looked("healthy")
    assert len(github.issues) == 1
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert "All is well" in github.comments[1]["body"]
