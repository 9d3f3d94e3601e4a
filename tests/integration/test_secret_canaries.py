"""A canary in every secret of a real deployment is found in its own container alone."""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path

import pytest
from tests.support.certificates import bundle
from tests.support.sandbox import Sandbox, docker, free_port, kill_group

pytestmark = pytest.mark.docker

FILE = "/run/secrets/canary"
VARIABLE, IN_FILE = "canary-var-7351/+&", "canary-file-7351 <x>"
SCRIPT = (
    'printf "%s\\n" "$VARIABLE" "$(base64 -w 7 /run/secrets/canary)"; cat /run/secrets/canary >&2; '
)
SERVE = "exec /usr/bin/python3 -IS /srv/shop.py"


@pytest.mark.long
def test_no_canary_is_found_but_in_its_own_container(box: Sandbox, tmp_path: Path) -> None:
    """The application, its hooks and its health check print all that they know; one deployer is
    killed on the way."""
    pem = bundle(tmp_path, "edge").read_text()
    box.environ |= {"VARIABLE": VARIABLE, "IN_FILE": IN_FILE, "PEM": pem}
    box.configure(
        secrets=["VARIABLE", {"name": "IN_FILE", "file": FILE}],
        route={
            "host": "shop.test",
            "port": free_port(),
            "certificate": {"secret": "PEM"},
        },
        environments={"production": {}},
        probe=False,
        health={"command": f"{SCRIPT} true"},
        hooks={"pre_deploy": [{"run": SCRIPT}]},
        smoke=[{"command": f"{SCRIPT} true"}],
        entrypoint=["sh", "-c"],
        command=[f"{SCRIPT} {SERVE}"],
    )
    said = [box.deploy("1.0.0").text]
    assert "exit 0" in said[0], said[0]
    box.configure(smoke=[{"command": f"{SCRIPT} false", "retry": {"deadline": "0s"}}])
    said += [box.deploy("2.0.0").text]
    assert "***" in said[1]
    # Lines are passed on as they come: what is wrapped over several is not found there.
    lines = box.run("logs", json=False).text
    assert "***" in lines
    killed = box.start("deploy", "--version", "3.0.0")
    assert killed.stderr is not None
    said += [line for _, line in zip(range(6), killed.stderr, strict=False)]
    kill_group(killed, signal.SIGKILL)
    said += killed.communicate(timeout=20)
    said.append(box.run("history").text)
    said.append(
        docker("exec", box.edge, "sh", "-c", "cat /state/edge/*.cfg /state/ledger/*/*/*.json")
    )
    for name in [*box.containers(), *box.containers("hook"), box.edge]:
        [about] = json.loads(docker("inspect", name))
        own = [entry for entry in about["Config"].pop("Env") if entry.startswith("VARIABLE=")]
        assert name == box.edge or own == [f"VARIABLE={VARIABLE}"]
        said.append(json.dumps(about))
    needles = [*pem.splitlines()[-4:-2], "canary-var", "canary-file"]
    needles += [base64.b64encode(value.encode()).decode()[:16] for value in (VARIABLE, IN_FILE)]
    assert [(n, text) for n in needles for text in said if n in "".join(text.split())] == []
    assert [needle for needle in needles if needle in lines] == []
