"""A proof stands for the hosts of the environment before, and for nothing else than it states."""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.clock import FakeClock
from tests.fakes.world import World, make_world
from tests.unit.render.samples import DEPLOYED, RELEASE

from deploy_action.commands.attest import attest
from deploy_action.errors import BadInput, ExitCode, GateRefused
from deploy_action.inputs import Inputs
from deploy_action.releases import attestation as proofs
from deploy_action.releases.attestation import KEY, Attestation, proof_key, read, sign
from deploy_action.releases.model import Kind
from deploy_action.results.outcome import Outcome, Result

SECRET = "k" * 32
ENVIRON = {KEY: SECRET, "GITHUB_REPOSITORY": "acme/shop"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Staging and production on hosts of their own; the clock is the fakes'."""
    made = make_world(tmp_path, monkeypatch, hosts=("local", "unix:///staging.sock"))
    made.configure(
        environments={
            "staging": {"hosts": ["unix:///staging.sock"]},
            "production": {"hosts": ["local"], "after": "staging"},
        }
    )
    monkeypatch.setattr("deploy_action.commands.promote.SystemClock", lambda: made.clock)
    return made


def staged(world: World, version: str = "1.0.0", **inputs: Any) -> Outcome:
    """Deploy to staging with the key."""
    given = {"environ": ENVIRON} | inputs
    done = world.deploy(version, environment="staging", **given)
    assert done.error is None, str(done.error)
    return done


def promote(world: World, proof: str, **inputs: Any) -> Outcome:
    """Promote by a proof, when staging cannot be reached."""
    world.machines.pop("unix:///staging.sock", None)
    given = {"environ": ENVIRON} | inputs
    return world.outcome("promote", environment="production", proof=proof, **given)


def resigned(proof: str, **changes: str) -> str:
    """Sign another statement with the right key."""
    return sign(dataclasses.replace(read(proof, SECRET.encode()), **changes), SECRET.encode())


def refused(done: Outcome, code: ExitCode, *words: str) -> None:
    """Nothing was changed, and the message says what was wrong."""
    assert done.exit_code is code, str(done.error)
    assert done.deployment is None
    for word in words:
        assert word in str(done.error)


def test_production_takes_what_the_proof_states_without_asking_staging(world: World) -> None:
    """The very digest, version and commit, though no host of staging answers."""
    before = staged(world, commit="0" * 40)
    done = promote(world, before.proof)
    assert done.error is None, str(done.error)
    assert before.deployment is not None
    assert done.deployment is not None
    assert done.result is Result.DEPLOYED
    assert done.deployment.kind is Kind.PROMOTE
    assert done.deployment.release.digest == before.deployment.release.digest
    assert done.deployment.release.commit == "0" * 40


def test_a_proof_says_all_that_it_stands_for(world: World) -> None:
    """Service, environment, version, image, digest, commit, deployment, repository and time."""
    done = staged(world, commit="0" * 40)
    assert done.deployment is not None
    release, stated = done.deployment.release, read(done.proof, SECRET.encode())
    assert stated == Attestation(
        service="shop",
        environment="staging",
        version="1.0.0",
        image=release.image,
        digest=release.digest,
        commit="0" * 40,
        deployment=done.deployment.id,
        repository="acme/shop",
        time=stated.time,
    )
    assert stated.time.startswith("2026-01-01T12:0")


def test_without_a_key_nothing_is_signed_and_the_hosts_are_asked(world: World) -> None:
    """As it was before there were proofs."""
    assert staged(world, environ={}).proof == ""
    done = world.outcome("promote", environment="production")
    assert done.result is Result.DEPLOYED


def test_what_is_live_already_is_proven_again(world: World) -> None:
    """A workflow that is run again hands on a fresh proof."""
    first = staged(world)
    world.clock.sleep(3600)
    again = staged(world)
    assert again.result is Result.UNCHANGED
    times = [read(done.proof, SECRET.encode()).time for done in (first, again)]
    assert times[0] < times[1]


def test_only_what_went_well_is_proven(world: World) -> None:
    """Neither a failure nor a plan."""
    world.publish(Application(version="9.0.0", ready_seconds=float("inf")))
    failed = world.deploy("9.0.0", environment="staging", environ=ENVIRON)
    assert (failed.result, failed.proof) == (Result.FAILED, "")
    planned = world.outcome("plan", version="1.0.0", environment="staging", environ=ENVIRON)
    assert (planned.result, planned.proof) == (Result.PLANNED, "")


def test_another_key_is_refused(world: World) -> None:
    """Whoever has not the key of the environments cannot say that anything passed."""
    done = promote(world, staged(world).proof, environ=ENVIRON | {KEY: "x" * 32})
    refused(done, ExitCode.GATE_REFUSED, "signature is wrong", KEY)


def test_a_proof_that_was_changed_is_refused(world: World) -> None:
    """The digest swapped for another one, the signature kept."""
    proof = staged(world).proof
    signed, _, signature = proof.rpartition(".")
    content = signed.removeprefix(proofs.PREFIX)
    stated = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    stated["digest"] = "sha256:" + "e" * 64
    forged = base64.urlsafe_b64encode(json.dumps(stated).encode()).decode().rstrip("=")
    done = promote(world, f"{proofs.PREFIX}{forged}.{signature}")
    refused(done, ExitCode.GATE_REFUSED, "signature is wrong")


def test_another_digest_is_refused_and_both_are_shown(world: World) -> None:
    """Also for `deploy`, whose tag was pushed anew since staging passed."""
    proof = staged(world).proof
    passed = read(proof, SECRET.encode()).digest
    other = "sha256:" + "e" * 64
    refused(promote(world, proof, digest=other), ExitCode.GATE_REFUSED, passed, other)
    rebuilt = world.publish(Application(version="1.0.0", ready_seconds=0.5))
    done = world.deploy("1.0.0", environment="production", environ=ENVIRON, proof=proof)
    refused(done, ExitCode.GATE_REFUSED, passed, rebuilt)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"service": "cart"}, "service cart, not shop"),
        ({"environment": "test"}, "environment test, not staging"),
        ({"environment": "production"}, "environment production, not staging"),
        ({"repository": "evil/shop"}, "repository evil/shop, not acme/shop"),
        ({"repository": ""}, "repository (none), not acme/shop"),
    ],
)
def test_a_proof_about_something_else_is_refused(
    world: World, changes: dict[str, str], word: str
) -> None:
    """The same key may serve several services and environments."""
    done = promote(world, resigned(staged(world).proof, **changes))
    refused(done, ExitCode.GATE_REFUSED, word)


def test_a_proof_counts_in_its_own_repository_outside_of_github_too(world: World) -> None:
    """Where the repository is unknown none is signed, and none is believed."""
    proof = staged(world).proof
    unknown = {KEY: SECRET}
    done = promote(world, proof, environ=unknown)
    refused(done, ExitCode.BAD_INPUT, "counts in one repository")
    done = promote(world, proof, environ=unknown, repository="evil/shop")
    refused(done, ExitCode.GATE_REFUSED, "repository acme/shop, not evil/shop")
    assert promote(world, proof, environ=unknown, repository="acme/shop").error is None


def test_without_a_repository_nothing_is_signed(world: World) -> None:
    """And a file for a proof is refused before anything changes."""
    done = staged(world, environ={KEY: SECRET})
    assert done.proof == ""
    assert any("remote origin" in str(note) for note in done.notes)
    done = world.deploy(
        "1.0.0", environment="staging", environ={KEY: SECRET}, proof_file=world.directory / "proof"
    )
    refused(done, ExitCode.BAD_INPUT, "counts in one repository")


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "2026-01-01T12:00:00"},
        {"time": "soon"},
        {"digest": "latest"},
        {"digest": "sha256:abc"},
        {"digest": "sha256:" + "a" * 64 + "\n"},
        {"version": "-v /:/host"},
        {"version": ""},
    ],
)
def test_a_statement_without_form_is_bad_input(world: World, changes: dict[str, str]) -> None:
    """A time without its zone could be any of a whole day's; the key makes nothing else right."""
    done = promote(world, resigned(staged(world).proof, **changes))
    refused(done, ExitCode.BAD_INPUT, "does not know")


def test_another_version_than_the_proven_is_refused(world: World) -> None:
    """What is asked for by name has to be what is proven."""
    done = promote(world, staged(world).proof, version="2.0.0")
    refused(done, ExitCode.GATE_REFUSED, "about version 1.0.0, not 2.0.0")


def test_an_old_proof_is_refused(world: World) -> None:
    """A week by default, another limit where one is given; a time that is yet to come neither."""
    proof = staged(world).proof
    world.clock.sleep(3 * 3600)
    done = promote(world, proof, proof_age_seconds=2 * 3600)
    refused(done, ExitCode.GATE_REFUSED, "counts for 2 h", "too old")
    later = (world.clock.now() + timedelta(hours=1)).isoformat()
    refused(promote(world, resigned(proof, time=later)), ExitCode.GATE_REFUSED, "a clock is wrong")
    assert promote(world, proof).result is Result.DEPLOYED


@pytest.mark.parametrize("text", ["", "x", "deploy-proof.v2.e30.00", "deploy-proof.v1"])
def test_what_is_no_proof_is_bad_input(text: str) -> None:
    """Told apart from one that is not genuine."""
    with pytest.raises(BadInput, match="not a proof"):
        read(text, SECRET.encode())


def test_a_statement_of_another_form_is_bad_input() -> None:
    """Signed with the right key, by a version that states more or less."""
    content = base64.urlsafe_b64encode(b'{"service":"shop"}').decode().rstrip("=")
    signed = f"{proofs.PREFIX}{content}"
    mac = proofs._signature(signed, SECRET.encode())
    with pytest.raises(BadInput, match="does not know"):
        read(f"{signed}.{mac}", SECRET.encode())


def test_a_signature_of_other_letters_is_refused_and_no_crash() -> None:
    """hmac compares ASCII only."""
    with pytest.raises((BadInput, GateRefused)):
        read(f"{proofs.PREFIX}e30.ü", SECRET.encode())


def test_a_key_that_could_be_guessed_is_refused(world: World) -> None:
    """Before anything is deployed."""
    done = world.deploy("1.0.0", environment="staging", environ={KEY: "guessed"})
    refused(done, ExitCode.BAD_INPUT, "too short", "openssl rand -hex 32")
    assert proof_key({KEY: "  "}) is None


def test_a_proof_without_the_key_is_bad_input(world: World) -> None:
    """It is not believed unseen, and not ignored either."""
    without = {"GITHUB_REPOSITORY": "acme/shop"}
    done = promote(world, staged(world).proof, environ=without)
    refused(done, ExitCode.BAD_INPUT, f"{KEY} is not set")


def test_a_proof_where_none_is_asked_for_is_bad_input(world: World) -> None:
    """Staging comes first: what is given in vain is said."""
    done = world.deploy("1.0.0", environment="staging", proof="x")
    refused(done, ExitCode.BAD_INPUT, "asks for no proof")


def test_the_proof_is_written_where_it_is_asked_for(world: World, tmp_path: Path) -> None:
    """A file for pipelines without outputs; without a key or a folder it is refused before."""
    done = staged(world, proof_file=tmp_path / "proof")
    assert (tmp_path / "proof").read_text() == f"{done.proof}\n"
    for environ, file in (({}, "other"), (ENVIRON, "no/proof")):
        failed = world.deploy(
            "2.0.0", environment="staging", environ=environ, proof_file=tmp_path / file
        )
        refused(failed, ExitCode.BAD_INPUT)


def test_a_file_with_a_proof_is_as_good_as_the_proof(world: World, tmp_path: Path) -> None:
    """And a name that is neither is told as such."""
    staged(world, proof_file=tmp_path / "proof")
    refused(
        promote(world, str(tmp_path / "none")), ExitCode.BAD_INPUT, "neither a proof nor a file"
    )
    assert promote(world, str(tmp_path / "proof")).result is Result.DEPLOYED


def test_a_file_that_cannot_be_written_does_not_undo_a_deployment(
    world: World, tmp_path: Path
) -> None:
    """It is live by then: the note says what is missing."""
    (tmp_path / "taken").mkdir()
    done = staged(world, proof_file=tmp_path / "taken")
    assert done.result is Result.DEPLOYED
    assert done.proof
    assert any("could not be written" in str(note) for note in done.notes)


def test_an_image_that_no_other_host_can_have_is_not_proven() -> None:
    """Built on the host and never pushed."""
    local = dataclasses.replace(DEPLOYED, release=dataclasses.replace(RELEASE, local=True))
    outcome = Outcome(result=Result.DEPLOYED, deployment=local)
    done = attest(outcome, Inputs(environ=ENVIRON), FakeClock().now())
    assert done.proof == ""
    assert "never in a registry" in str(done.notes[0])
