"""Staging says which digest passed, and nothing else: neither where it comes from nor who it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.machine import FakeImage, FakeMachine
from tests.fakes.values import digest_of
from tests.fakes.world import World, make_world

from deploy_action.errors import ErrorCode
from deploy_action.releases.attestation import KEY, read, sign
from deploy_action.releases.ledger import decode, encode
from deploy_action.releases.model import Deployment
from deploy_action.results.outcome import Outcome, Result

PRODUCTION, ONE, TWO = "ssh://deploy@p", "ssh://deploy@s1", "ssh://deploy@s2"
LEDGER = "ledger/shop/staging/"
ENVIRON = {KEY: "k" * 32, "GITHUB_REPOSITORY": "acme/shop"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts of staging, on which 1.0.0 was deployed, and one of production."""
    made = make_world(tmp_path, monkeypatch, hosts=(PRODUCTION, ONE, TWO))
    made.configure(
        environments={
            "staging": {"hosts": [ONE, TWO]},
            "production": {"hosts": [PRODUCTION], "after": "staging"},
        }
    )
    made.publish(Application(version="1.0.0"))
    assert made.deploy("1.0.0", environment="staging").error is None
    monkeypatch.setattr("deploy_action.commands.promote.SystemClock", lambda: made.clock)
    return made


def entry(machine: FakeMachine, number: int = 1) -> Deployment:
    return decode(machine.files(LEDGER)[f"{LEDGER}{number:08d}.json"])


def forge(world: World, *hosts: str, number: int = 1, **changes: Any) -> None:
    """Have hosts of staging record something else about the release that is live."""
    for host in hosts:
        machine = world.machines[host]
        live = entry(machine)
        forged = dataclasses.replace(
            live, number=number, release=dataclasses.replace(live.release, **changes)
        )
        for volume in machine.volumes.values():
            volume.files[f"{LEDGER}{number:08d}.json"] = encode(forged)


def promote(world: World, **inputs: Any) -> Outcome:
    return world.outcome("promote", environment="production", **inputs)


def test_the_digest_is_run_from_the_repository_of_the_environment_itself(world: World) -> None:
    """Whatever repository staging's hosts record for it."""
    forge(world, ONE, TWO, image="evil.example.com/shop")
    done = promote(world)
    assert done.result is Result.DEPLOYED
    assert done.deployment is not None
    assert done.deployment.release.image == "registry.test/shop"


def test_the_digest_of_a_proof_is_run_from_the_repository_of_the_environment(world: World) -> None:
    """Also where the key is right and the repository is another one."""
    done = world.deploy("1.0.0", environment="staging", environ=ENVIRON)
    key = ENVIRON[KEY].encode()
    stated = dataclasses.replace(read(done.proof, key), image="evil.example.com/shop")
    done = promote(world, proof=sign(stated, key), environ=ENVIRON)
    assert done.deployment is not None
    assert done.deployment.release.image == "registry.test/shop"


def test_the_id_of_another_services_image_is_not_promoted(world: World) -> None:
    """Staging says that it is a local image; on production's host it is called something else."""
    machine = world.machines[PRODUCTION]
    other = FakeImage(id=digest_of("other"), application=Application(version="1.0.0"))
    machine.images["registry.test/other:9"] = other
    world.publish(Application(version="2.0.0"))
    assert world.deploy("2.0.0", environment="staging").error is None
    forge(world, ONE, TWO, digest=other.id, local=True)
    done = promote(world, version="1.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.IMAGE_NOT_FOUND
    assert "registry.test/other:9" in done.error.cause
    machine.images["registry.test/shop:1.0.0"] = other
    assert promote(world, version="1.0.0").error is None


@pytest.mark.parametrize("inputs", [{}, {"version": "6.6.6"}])
def test_what_one_host_alone_records_has_not_passed(
    world: World, inputs: Mapping[str, Any]
) -> None:
    """A host of staging that somebody else controls names another digest of the repository."""
    digest = world.publish(Application(version="6.6.6"))
    forge(world, TWO, number=9, version="6.6.6", digest=digest)
    done = promote(world, **inputs)
    assert done.result is Result.REFUSED
    assert done.error is not None
    code = ErrorCode.NOT_PASSED_BEFORE if inputs else ErrorCode.LEDGER_DISPUTED
    assert done.error.code is code
    refused = world.deploy("6.6.6", environment="production")
    assert refused.error is not None
    assert refused.error.code is ErrorCode.NOT_PASSED_BEFORE
    # What every host records passes as before.
    assert promote(world, version="1.0.0").result is Result.DEPLOYED


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"digest": "latest"}, ErrorCode.INVALID_DIGEST),
        ({"digest": "sha256:" + "A" * 64}, ErrorCode.INVALID_DIGEST),
        ({"digest": "sha256:" + "a" * 64 + "\n"}, ErrorCode.INVALID_DIGEST),
        ({"version": "1 --privileged"}, ErrorCode.INVALID_VERSION),
        ({"image": "shop -v /:/host"}, ErrorCode.INVALID_OPTION),
        ({"image": "registry.test/shop@sha256:1"}, ErrorCode.INVALID_DIGEST),
    ],
)
def test_an_output_of_another_job_is_checked_where_it_comes_in(
    world: World, inputs: Mapping[str, Any], code: ErrorCode
) -> None:
    """Before any host is asked."""
    world.machines.clear()
    done = world.outcome("deploy", **{"environment": "staging", "version": "1.0.0", **inputs})
    assert done.error is not None
    assert done.error.code is code


def test_what_a_registry_calls_a_digest_is_checked(world: World) -> None:
    """It becomes part of a reference."""
    _, image = world.registry["registry.test/shop:1.0.0"]
    world.registry["registry.test/shop:2.0.0"] = ("sha256:x y", image)
    done = world.deploy("2.0.0", environment="staging")
    assert done.error is not None
    assert done.error.code is ErrorCode.INVALID_DIGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at": "2026-01-01T12:00:00"},
        {"ended_at": "2026-01-01T12:00:00"},
        {"previous_version": "1; rm"},
    ],
)
def test_an_entry_without_form_is_damaged(world: World, changes: dict[str, str]) -> None:
    """A naive time could not be compared; a version is an output of the action."""
    live = entry(world.machines[ONE])
    with pytest.raises(ValueError, match="not a ledger entry"):
        decode(encode(dataclasses.replace(live, **changes)))  # type: ignore[arg-type]
    release = dataclasses.replace(live.release, image="a b")
    with pytest.raises(ValueError, match="the image"):
        decode(encode(dataclasses.replace(live, release=release)))
