"""A version is what was built: on a host of tests/fakes, from a git repository."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.machine import FakeImage
from tests.fakes.world import World, code_of, make_world

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.images.build import COMMIT_LABEL
from deploy_action.releases.model import State
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Outcome, Result


class Shop:
    """A repository with a Dockerfile, and the builds that were made of it."""

    def __init__(self, world: World) -> None:
        self.world, self.built = world, list[str]()
        self.broken = False
        (world.directory / "Dockerfile").write_text("FROM scratch\n")

    def git(self, *argv: str) -> str:
        """Run git in the repository."""
        identity = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
        return subprocess.run(
            ["git", *identity, *argv],
            cwd=self.world.directory,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self, content: str) -> str:
        """Change the source and commit it."""
        self.change(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", content)
        return self.git("rev-parse", "HEAD")

    def change(self, content: str) -> None:
        """Change the source."""
        (self.world.directory / "app.py").write_text(content)

    def build(self, *given: Any, commit: str = "") -> None:
        """Build, as Docker would: each time other bytes."""
        reference = given[1]
        self.built.append(reference)
        version = reference.rpartition(":")[2]
        application = Application(version=version, says_version="other" if self.broken else "")
        self.world.machines["local"].images[reference] = FakeImage(
            id=f"sha256:{len(self.built):064x}",
            application=application,
            labels={COMMIT_LABEL: commit},
        )

    def deploy(self, version: str | None = None, **given: Any) -> Outcome:
        """Deploy what is checked out."""
        return self.world.outcome("deploy", version=version, **given)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """One commit, nothing deployed."""
    world = make_world(tmp_path, monkeypatch, image=None, build={"context": "."})
    made = Shop(world)
    monkeypatch.setattr("deploy_action.images.build.build_image", made.build)
    made.git("init", "-q")
    made.commit("one")
    return made


def refused(done: Outcome, code: ErrorCode) -> str:
    """Hold an outcome against a refusal, and return what it says."""
    assert isinstance(done.error, BadInput), done.error
    assert done.error.code is code
    return str(done.error)


def deployed(done: Outcome) -> Outcome:
    """Hold an outcome against success."""
    assert done.error is None, str(done.error)
    return done


@pytest.mark.parametrize("tagged", [False, True])
def test_an_old_version_never_gets_todays_source(shop: Shop, tagged: bool) -> None:
    """Whether git or only the ledger knows it; a rollback brings back what was built."""
    old = shop.git("rev-parse", "HEAD")
    if tagged:
        shop.git("tag", "v1.0")
    deployed(shop.deploy("1.0"))
    shop.commit("two")
    deployed(shop.deploy("2.0"))
    text = refused(shop.deploy("1.0"), ErrorCode.VERSION_TAKEN)
    assert old[:12] in text
    assert shop.built == ["shop:1.0", "shop:2.0"]
    assert deployed(shop.world.outcome("rollback", to="1.0")).serving == "1.0"


def test_a_version_that_names_another_commit_is_refused(shop: Shop) -> None:
    """It was never deployed here."""
    old = shop.git("rev-parse", "HEAD")
    shop.commit("two")
    refused(shop.deploy(old[:12]), ErrorCode.VERSION_TAKEN)
    refused(shop.deploy(commit=old), ErrorCode.VERSION_TAKEN)
    assert shop.built == []


def test_an_image_of_another_environment_is_not_given_to_another_source(shop: Shop) -> None:
    """Its label says from which commit it was built; this environment's ledger knows nothing."""
    old = shop.git("rev-parse", "HEAD")
    shop.build(None, "shop:1.0", commit=old)
    shop.commit("two")
    assert old[:12] in refused(shop.deploy("1.0"), ErrorCode.VERSION_TAKEN)


def test_the_same_commit_and_version_are_built_once(shop: Shop) -> None:
    """Also where the first attempt failed; so the version keeps its digest."""
    shop.broken = True
    assert shop.deploy("1.0").error is not None
    shop.broken = False
    assert shop.deploy("1.0").error is not None
    assert shop.built == ["shop:1.0"]
    deployed(shop.deploy("1.1"))
    assert shop.deploy("1.1").result is Result.UNCHANGED
    shop.world.configure(env={"A": "1"})
    deployed(shop.deploy("1.1"))
    assert shop.built == ["shop:1.0", "shop:1.1"]
    entries = shop.world.ledger("local")
    assert len({e.release.digest for e in entries if e.state is State.SUCCEEDED}) == 1


def test_a_version_whose_image_is_gone_is_not_built_again(shop: Shop) -> None:
    """It would be another image."""
    deployed(shop.deploy("1.0"))
    shop.commit("two")
    deployed(shop.deploy("2.0"))
    machine = shop.world.machines["local"]
    gone = shop.world.ledger("local")[0].release.digest
    machine.images = {name: i for name, i in machine.images.items() if i.id != gone}
    shop.git("checkout", "-q", "HEAD~1")
    refused(shop.deploy("1.0"), ErrorCode.VERSION_TAKEN)
    assert len(shop.built) == len(["1.0", "2.0"])


def test_changes_that_no_commit_has_are_marked_and_claim_no_commit(shop: Shop) -> None:
    """In the plan, the record and the note; under a commit's name they are refused."""
    head = shop.git("rev-parse", "HEAD")
    shop.change("changed")
    assert "app.py" in refused(shop.deploy(commit=head), ErrorCode.SOURCE_CHANGED)
    for dry_run in (True, False):
        done = deployed(shop.deploy("try-1", commit=head, dry_run=dry_run))
        assert NoteCode.SOURCE_CHANGED in map(code_of, done.notes)
    (entry,) = shop.world.ledger("local")
    assert (entry.release.commit, entry.release.dirty) == ("", True)
    refused(shop.deploy("try-1"), ErrorCode.VERSION_TAKEN)
    shop.git("checkout", "-q", "--", "app.py")
    deployed(shop.deploy("clean"))
    assert shop.world.ledger("local")[-1].release.commit == head


def test_what_is_beside_the_builds_context_does_not_count(shop: Shop) -> None:
    """Neither do files that git does not know."""
    (shop.world.directory / "app").mkdir()
    shop.commit("app.py is outside")
    shop.world.configure(build={"context": "app"})
    shop.change("changed")
    (shop.world.directory / "app/report.sarif").write_text("{}")
    deployed(shop.deploy("1.0"))
    assert shop.world.ledger("local")[0].release.dirty is False


def test_a_plan_builds_nothing_and_leaves_nothing(shop: Shop) -> None:
    """On a fresh host that has only the edge's image, not even the state's volume."""
    machine = shop.world.machines["local"]
    from deploy_action.platforms.docker.edge import artifact

    machine.images[artifact.tag()] = FakeImage(id="sha256:edge")
    before = dict(machine.images)
    for offline in (True, False):
        done = deployed(shop.world.outcome("plan", version="1.0", offline=offline))
        assert done.result is Result.PLANNED
        assert done.plan[0] == "build shop:1.0"
        assert not any("pull" in line for line in done.plan)
    assert (machine.images, machine.created) == (before, 0)
    assert (machine.volumes, machine.networks, shop.built) == ({}, {}, [])


def test_a_tag_that_moved_is_not_the_same_version(shop: Shop) -> None:
    """An image from a registry: the ledger knows which digest the version had."""
    world = shop.world
    world.configure(build=None, image="registry.test/shop")
    world.deployed("1.0.0", "2.0.0")
    moved = world.publish(Application(version="1.0.0", ready_seconds=0.2))
    for dry_run in (True, False):
        refused(shop.deploy("1.0.0", dry_run=dry_run), ErrorCode.VERSION_TAKEN)
    assert world.ledger("local")[-1].release.version == "2.0.0"
    assert moved


@pytest.mark.parametrize("named", [False, True])
def test_a_pushed_image_of_the_commit_is_taken_as_it_is(shop: Shop, named: bool) -> None:
    """The version has to name the commit: nothing else says from which source it was built."""
    world = shop.world
    world.configure(image="registry.test/shop", build={"context": ".", "push": True})
    if named:
        shop.git("tag", "v1.0.0")
    done = deployed(shop.deploy("1.0.0", dry_run=True))
    assert done.plan[0].startswith("build ") is not named
    if named:
        deployed(shop.deploy("1.0.0"))
        (entry,) = world.ledger("local")
        assert entry.release.digest == world.registry["registry.test/shop:1.0.0"][0]
        assert entry.release.commit == shop.git("rev-parse", "HEAD")
    assert shop.built == []
