"""deploy.yml with a production that has no way to staging's hosts: a proof goes from job to job."""

from __future__ import annotations

import base64
import dataclasses
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.support.act import Repository, Run
from tests.support.hosts import Hosts, hosts
from tests.support.registry import Registry
from tests.support.sandbox import docker

from deploy_action.releases.attestation import PREFIX

pytestmark = [pytest.mark.act, pytest.mark.docker]

SHOP = """\
version: 1
service: shop
image: {image}
port: 8080
health: {{path: /healthz, deadline: 10s, identity: {{header: X-Version}}}}
watch: 0s
stop: {{timeout: 2s, drain: 5s}}
edge: {{name: {edge}}}
environments:
  staging: {{hosts: ["{staging}"], route: {{port: 80}}}}
  production: {{url: "http://localhost:{ports[0]}", after: staging}}
  second: {{url: "http://localhost:{ports[1]}", after: staging}}
"""
TOGETHER = """\
on: push
jobs:
  deploy:
    uses: org/deploy-action/.github/workflows/deploy.yml@v1
    with: {version: 1.0.0}
    secrets: inherit
"""
APART = """\
  {name}:
    uses: org/deploy-action/.github/workflows/deploy.yml@v1
    with:
      staging: {environment}
      production: ""
      version: 1.0.0
      digest: "{digest}"
      proof: "{proof}"
      proof-age: {age}
    secrets:
      DEPLOY_SSH_KEY: ${{{{ secrets.DEPLOY_SSH_KEY }}}}
      DEPLOY_KNOWN_HOSTS: ${{{{ secrets.DEPLOY_KNOWN_HOSTS }}}}
      DEPLOY_PROOF_KEY: ${{{{ secrets.{key} }}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A job that brings version 1.0.0 after staging, and how it has to end."""

    exit_code: str
    outcome: str
    proof: str
    says: tuple[str, ...] = ()
    key: str = "DEPLOY_PROOF_KEY"
    environment: str = "production"
    age: str = "720h"
    digest: str = ""


@pytest.fixture
def staging(store: Registry) -> Iterator[Hosts]:
    """A machine of its own behind a cable, reached by ssh; it reaches the registry itself."""
    with hosts(1) as machines:
        (machine,) = machines.hosts
        with machines.lent(machine, store.port):
            yield machines
            machines.mend(machine)


def served(port: int) -> str:
    with urllib.request.urlopen(f"http://localhost:{port}/version", timeout=10) as answer:
        return str(answer.headers["X-Version"])


def replicas(edge: str, environment: str) -> list[str]:
    labels = (f"edge={edge}", "kind=replica", f"environment={environment}")
    filters = [part for label in labels for part in ("--filter", f"label=deploy-action.{label}")]
    return sorted(docker("ps", "-aq", *filters).split())


def swapped(proof: str, digest: str) -> str:
    """Return the proof with another digest in it and the signature that it had."""
    signed, _, signature = proof.rpartition(".")
    content = signed.removeprefix(PREFIX)
    stated = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    forged = json.dumps({**stated, "digest": digest}).encode()
    return f"{PREFIX}{base64.urlsafe_b64encode(forged).decode().rstrip('=')}.{signature}"


def run_each(repository: Repository, cases: dict[str, Case]) -> Run:
    """Run every case as a job of one workflow, none of which waits for another."""
    jobs = [
        APART.format(
            name=name,
            environment=case.environment,
            digest=case.digest,
            proof=case.proof,
            age=case.age,
            key=case.key,
        )
        for name, case in cases.items()
    ]
    repository.write(".github/workflows/apart.yml", f"on: push\njobs:\n{''.join(jobs)}")
    return repository.run("apart.yml")


def test_production_believes_a_proof_of_staging_and_nothing_else_once_staging_is_out_of_reach(
    store: Registry, staging: Hosts, caller: Repository, edge: str, ports: tuple[int, int]
) -> None:
    """The cable to staging is pulled as soon as its job has ended. Its proof takes the digest to
    production, in the same call and in another one. Without a key, and so without a proof, with
    another digest written into the proof, for a tag that was pushed anew, and with a proof that is
    older than the caller allows, nothing goes live."""
    (machine,) = staging.hosts
    passed = store.push("deploy-action-demo:1.0.0", "shop:1.0.0")
    shop = dataclasses.replace(
        caller,
        secrets={
            "DEPLOY_SSH_KEY": (staging.directory / "key").read_text(),
            "DEPLOY_KNOWN_HOSTS": (staging.directory / "known_hosts").read_text(),
            "DEPLOY_PROOF_KEY": "k" * 32,
        },
    )
    image = f"{store.name}/shop"
    text = SHOP.format(image=image, edge=edge, staging=machine.url, ports=ports)
    shop.write("deploy.yaml", text)
    shop.write(".github/workflows/deploy.yml", TOGETHER)

    run = shop.run("deploy.yml", ended={"staging": lambda: staging.cut(machine)})

    assert run.exit_code == 0, run.text
    of_staging, of_production = (
        run.outputs(f"deploy/deploy/{name}") for name in ("staging", "production")
    )
    assert of_staging["digest"] == of_production["digest"] == passed
    assert served(ports[0]) == "1.0.0"

    proof, before = of_staging["proof"], replicas(edge, "production")
    assert len(before) == 1
    rebuilt = store.push("deploy-action-demo:2.0.0", "shop:1.0.0")
    cases = {
        # As it is without a key: there is no proof then, and the hosts are asked.
        "unproven": Case(
            exit_code="4",
            outcome="failed",
            proof="",
            key="NO_KEY",
            says=(machine.url, "did not connect"),
        ),
        "tampered": Case(
            exit_code="3",
            outcome="refused",
            proof=swapped(proof, rebuilt),
            says=("the proof's signature is wrong",),
        ),
        "rebuilt": Case(
            exit_code="3",
            outcome="refused",
            proof=proof,
            says=(f"passed 1.0.0 as {passed}, not as {rebuilt}",),
        ),
        "old": Case(
            exit_code="3",
            outcome="refused",
            proof=proof,
            age="1s",
            digest=passed,
            says=("the proof was signed at", "and counts for"),
        ),
        "proven": Case(
            exit_code="0", outcome="deployed", proof=proof, environment="second", digest=passed
        ),
    }

    run = run_each(shop, cases)

    for name, case in cases.items():
        job = f"{name}/deploy/{case.environment}"
        outputs, said = run.outputs(job), run.said(job)
        assert (outputs["exit-code"], outputs["outcome"]) == (case.exit_code, case.outcome), said
        assert all(words in said for words in case.says), said
    assert (served(ports[0]), replicas(edge, "production")) == ("1.0.0", before)
    assert served(ports[1]) == "1.0.0"
