"""A program of any image tests a new replica from a container of its own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.sandbox import Sandbox, docker

pytestmark = pytest.mark.docker

PROGRAM = """\
import os, sys, urllib.request
url, wanted = sys.argv[1:]
assert url == os.environ["DEPLOY_URL"] and len(os.environ["TOKEN"]) == 12
with urllib.request.urlopen(url + "/version", timeout=5) as answer:
    seen = answer.headers["X-Version"]
failure = "" if seen in wanted.split(",") else f'<failure message="{seen} is not {wanted}"/>'
case = f'<testcase name="version">{failure}</testcase>'
with open("/tmp/report.xml", "w") as report:
    report.write(f'<testsuite name="shop" tests="1">{case}</testsuite>')
sys.exit(bool(failure))
"""


def configure(box: Sandbox, wanted: str, **changes: Any) -> None:
    (box.directory / "test.py").write_text(PROGRAM)
    test = {
        "name": "contract",
        "image": "deploy-action-demo:1.0.0",
        "command": ["/usr/bin/python3", "/tests/test.py", "{url}", wanted],
        "files": {"/tests/test.py": "test.py"},
        "report": "/tmp/report.xml",
        "secrets": ["TOKEN"],
        "retry": {"deadline": "0s"},
    }
    box.environ["TOKEN"] = "canary-token"
    box.configure(secrets=["TOKEN"], smoke=[test | changes], probe=False)


def test_a_program_decides_before_traffic_moves(box: Sandbox) -> None:
    """It has the address, its files and secrets; its report says what failed; nothing is left."""
    configure(box, "1.0.0")
    box.deployed("1.0.0")
    with box.load() as stop:
        failed = box.deploy("2.0.0")
        seen = stop()
    assert failed.exit_code == 4, failed.text
    [check] = [check for check in failed.json["checks"] if check["name"] == "contract"]
    assert check["failure_kinds"] == ["assertion"]
    assert "shop: version: 2.0.0 is not 1.0.0" in check["detail"]
    assert box.serving() == "1.0.0"
    assert seen.lost == 0
    assert "canary-token" not in failed.text
    assert box.run("monitor").exit_code == 0
    assert "_smoke" not in docker("ps", "-a", "--format", "{{.Names}}")

    configure(box, "1.0.0,2.0.0", report="/tmp/other.xml")
    assert box.deploy("2.0.0").exit_code == 4, "a report that is not there"
    configure(box, "1.0.0,2.0.0", command=["sleep", "60"], timeout="1s")
    late = box.deploy("2.0.0")
    [check] = [check for check in late.json["checks"] if check["name"] == "contract"]
    assert check["failure_kinds"] == ["timed-out"]
    configure(box, "1.0.0,2.0.0")
    box.deployed("2.0.0")
