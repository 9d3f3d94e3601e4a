"""A program in a container of its own, beside the replica that it tests, and how its end is judged."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.checks.junit import read_junit
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.inputs import Secret
from deploy_action.redaction import excerpt, redact

if TYPE_CHECKING:
    from deploy_action.checks.target import Target

__all__ = ["Beside", "Ended", "address_of", "judge"]

_MOST_FAILURES = 5
_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What to run: it has the replica's network, these files and variables, and nothing else.

    Attributes:
        argv: empty for the image's own entry point and command.
        names: host names that lead to an address.
        files: path → content, for the program's user alone.
        readable_files: path → text.
        report: path of the file that it writes; empty for none.
    """

    image: str
    argv: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, Secret] = field(default_factory=dict)
    readable_files: Mapping[str, str] = field(default_factory=dict)
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended.

    Attributes:
        exit_code: None when its time was over.
        report: None where it wrote none, or one of more than a megabyte.
    """

    exit_code: int | None
    output: str
    report: bytes | None


def address_of(target: Target) -> tuple[str, dict[str, str]]:
    """Return the replica's URL, and the host names that have to lead to it."""
    name = target.host_header.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        usable = "." in name
    else:
        usable = False
    host = f"[{target.address}]" if ":" in target.address else target.address
    names = {name: target.address} if usable else {}
    return f"{target.scheme}://{name if usable else host}:{target.port}", names


def judge(
    program: str, ended: Ended, seconds: float, *, reports: bool = True
) -> tuple[CheckFailure, ...]:
    """Pass what ended well; where it `reports`, with assertions, and without a failure among them."""
    if ended.exit_code is None:
        detail = f"{program} did not end within {seconds:g} s"
        return (CheckFailure(CheckFailureKind.TIMED_OUT, detail),)
    end = redact(ended.output).strip()[-_CHARACTERS:]
    said = f"; output: {redact.quote(end)}" if end else ""
    if reports and (failures := _reported(program, ended, said)):
        return failures
    if ended.exit_code:
        detail = f"{program}: exit code {ended.exit_code}{said}"
        return (CheckFailure(CheckFailureKind.EXIT_CODE, detail),)
    return ()


def _reported(program: str, ended: Ended, said: str) -> tuple[CheckFailure, ...]:
    if ended.report is None:
        detail = (
            f"{program} ended with {ended.exit_code} and wrote no report that can be read{said}"
        )
        return (CheckFailure(CheckFailureKind.WRONG_OUTPUT, detail),)
    try:
        report = read_junit(ended.report)
    except ValueError as error:
        detail = f"{program}'s report cannot be read: {redact.excerpt(str(error))}{said}"
        return (CheckFailure(CheckFailureKind.WRONG_OUTPUT, detail),)
    if report.failures:
        shown = [excerpt(redact(each), _CHARACTERS) for each in report.failures[:_MOST_FAILURES]]
        more = len(report.failures) - len(shown)
        details = [*shown, *([f"{more} more failures"] if more else [])]
        return tuple(CheckFailure(CheckFailureKind.ASSERTION, detail) for detail in details)
    if not report.assertions and not ended.exit_code:
        detail = "no assertion was made, so nothing was tested"
        return (CheckFailure(CheckFailureKind.ASSERTION, detail),)
    return ()
