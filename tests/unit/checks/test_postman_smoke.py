"""How the end of a collection is judged; the reports are those that newman 6.2.2 wrote."""

from __future__ import annotations

import json

import pytest
from tests.fakes.clock import FakeClock
from tests.support.servers import LoopbackDialer

from deploy_action.checks.beside import Beside, Ended
from deploy_action.checks.image_smoke import IMAGE
from deploy_action.checks.junit import read_junit
from deploy_action.checks.postman_smoke import POSTMAN
from deploy_action.checks.result import CheckFailureKind
from deploy_action.checks.smoke_kind import SmokeContext
from deploy_action.checks.target import Target
from deploy_action.config.model import ImageSmoke, PostmanSmoke
from deploy_action.inputs import Secret

PASSED = b"""<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="shop" tests="1" time="0.023">
  <testsuite name="home" id="969f4c71" tests="2" failures="0" errors="0" time="0.017">
    <testcase name="is 200" time="0.017" classname="Home"/>
    <testcase name="has token" time="0.017" classname="Home"/>
  </testsuite>
</testsuites>"""
FAILED = PASSED.replace(
    b'<testcase name="is 200" time="0.017" classname="Home"/>',
    b'<testcase name="is 200" time="0.006" classname="Home">'
    b'<failure type="AssertionFailure" message="expected 200 but got 404 s3cret-canary">'
    b"<![CDATA[Failed 1 times.]]></failure></testcase>",
)
REFUSED = PASSED.replace(
    b'<testcase name="is 200"',
    b"<system-err><![CDATA[Iteration: 0\nRequestError: Error: connect ECONNREFUSED 127.0.0.1:9995\n"
    b'    at TCPConnectWrap\n\n---\n]]></system-err><testcase name="is 200"',
)
NOTHING = b'<testsuites name="shop" tests="1"><testsuite name="home" tests="0"/></testsuites>'
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuites name="&a;"/>'


def target(ended: Ended | None, seen: list[Beside], host: str = "") -> Target:
    def run(job: Beside, timeout_seconds: float) -> Ended:
        seen.append(job)
        assert timeout_seconds == 60
        assert ended is not None
        return ended

    return Target(
        where="replica 1",
        dialer=LoopbackDialer(),
        address="172.30.0.5",
        port=8080,
        host_header=host,
        run_beside=None if ended is None else run,
    )


def judged(
    ended: Ended | None, *, environment: str = "", host: str = "", seen: list[Beside] | None = None
) -> list[CheckFailureKind]:
    test = PostmanSmoke(
        name="API", image="newman:6", collection="{}", environment=environment, secrets=("TOKEN",)
    )
    context = SmokeContext(
        target=target(ended, [] if seen is None else seen, host),
        secrets={"TOKEN": Secret("s3cret-canary")},
        identity=None,
        clock=FakeClock(),
    )
    failures = POSTMAN.run(test, context)
    assert "canary" not in str(failures)
    return [failure.kind for failure in failures]


def ended(report: bytes | None = PASSED, exit_code: int | None = 0) -> Ended:
    return Ended(exit_code=exit_code, output="newman s3cret-canary", report=report)


@pytest.mark.parametrize(
    ("end", "kinds"),
    [
        (ended(), []),
        (ended(FAILED, 1), [CheckFailureKind.ASSERTION]),
        (ended(FAILED, 0), [CheckFailureKind.ASSERTION]),
        (ended(REFUSED, 1), [CheckFailureKind.ASSERTION]),
        (ended(NOTHING, 0), [CheckFailureKind.ASSERTION]),
        (ended(PASSED, 1), [CheckFailureKind.EXIT_CODE]),
        (ended(PASSED, None), [CheckFailureKind.TIMED_OUT]),
        (ended(None, 0), [CheckFailureKind.WRONG_OUTPUT]),
        (ended(b"", 0), [CheckFailureKind.WRONG_OUTPUT]),
        (ended(b"<html/>", 0), [CheckFailureKind.WRONG_OUTPUT]),
        (ended(BOMB, 0), [CheckFailureKind.WRONG_OUTPUT]),
        (None, [CheckFailureKind.NOT_SUPPORTED]),
    ],
)
def test_only_assertions_that_held_pass(end: Ended | None, kinds: list[CheckFailureKind]) -> None:
    """Whatever is missing, contradicts or cannot be read fails, without a secret in it."""
    assert judged(end) == kinds


def test_the_program_gets_the_address_and_the_named_secrets() -> None:
    """In a file that its user alone reads, over what the repository gives; not as an argument."""
    given = {"values": [{"key": "language", "value": "en"}, {"key": "baseUrl", "value": "x"}]}
    seen: list[Beside] = []
    judged(ended(), environment=json.dumps(given), seen=seen)
    [job] = seen
    [content] = job.files.values()
    values = {v["key"]: v["value"] for v in json.loads(content.reveal())["values"]}
    assert values == {
        "language": "en",
        "baseUrl": "http://172.30.0.5:8080",
        "TOKEN": "s3cret-canary",
    }
    assert "canary" not in str(job)


def test_an_application_that_knows_its_name_is_asked_by_it() -> None:
    """As the edge would; the name leads to the replica in that container alone."""
    seen: list[Beside] = []
    judged(ended(), host="shop.example.com", seen=seen)
    assert seen[0].names == {"shop.example.com": "172.30.0.5"}
    [content] = seen[0].files.values()
    assert "http://shop.example.com:8080" in content.reveal()


def test_failures_name_request_and_assertion() -> None:
    """And what newman itself complains of."""
    assert read_junit(FAILED).failures == ("home: is 200: expected 200 but got 404 s3cret-canary",)
    assert "ECONNREFUSED" in read_junit(REFUSED).failures[0]
    assert read_junit(PASSED).assertions == len(["is 200", "has token"])


def test_any_program_gets_the_address_and_is_judged_by_exit_code_or_report() -> None:
    """Its report counts only if it is asked for, and then it has to be there."""
    seen: list[Beside] = []
    for report, end, kinds in (
        ("", ended(None, 0), []),
        ("", ended(FAILED, 1), [CheckFailureKind.EXIT_CODE]),
        ("/r.xml", ended(PASSED, 0), []),
        ("/r.xml", ended(None, 0), [CheckFailureKind.WRONG_OUTPUT]),
        ("/r.xml", ended(FAILED, 0), [CheckFailureKind.ASSERTION]),
    ):
        test = ImageSmoke(
            name="hurl",
            image="hurl:6",
            command=("hurl", "host={url}"),
            report=report,
            secrets=("A",),
        )
        context = SmokeContext(
            target=target(end, seen),
            secrets={"A": Secret("s3cret-canary")},
            identity=None,
            clock=FakeClock(),
        )
        assert [failure.kind for failure in IMAGE.run(test, context)] == kinds
    assert seen[0].argv == ("hurl", "host=http://172.30.0.5:8080")
    assert seen[0].env == {"DEPLOY_URL": "http://172.30.0.5:8080", "A": "s3cret-canary"}
    assert "canary" not in str(seen)
