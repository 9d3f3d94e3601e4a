"""What all tests share: where `make` or a CI runs them, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from deploy_action.redaction import redact

NO_SKIPS = any(os.environ.get(name) for name in ("CI", "DEPLOY_ACTION_NO_SKIPS"))


@pytest.fixture(autouse=True)
def _own_secrets() -> None:
    """Mask nothing that another test kept secret: a process of its own would not know it."""
    redact.forget()


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that says why it was skipped; leave an expected failure alone."""
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} must not be skipped here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that was skipped."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that was skipped as a whole."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a pytest-xdist that does not keep groups together: tests of a group share something."""
    if session.config.getoption("loadgroup", default=False):
        apart = [
            item.nodeid
            for item in session.items
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        if apart:
            raise pytest.UsageError(f"pytest-xdist ignores the group of {apart[0]}")
