"""What a step asks to be written on GitHub besides its log, its outputs and its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy_action.action.inputs import is_true
from deploy_action.errors import BadInput

__all__ = ["DEPLOYING", "INPUTS", "PublishOptions"]

DEPLOYING = ("deploy", "promote", "rollback")
"""The commands that make a release live."""
_RECORD = ("auto", "off")
_SWITCHES: Mapping[str, tuple[str, ...]] = {
    "live-tag": DEPLOYING,
    "release-notes": DEPLOYING,
    "comment": ("plan",),
    "issue": ("monitor",),
}
INPUTS = ("github-record", *_SWITCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """What is wanted; everything but the record has to be asked for."""

    record: bool
    live_tag: bool
    release_notes: bool
    comment: bool
    issue: bool

    @classmethod
    def read(cls, inputs: Mapping[str, str], command: str) -> PublishOptions:
        """Read the inputs.

        Raises:
            BadInput: a value that is none, or a wish that this command cannot grant.
        """
        record = inputs.get("github-record") or _RECORD[0]
        if record not in _RECORD:
            raise BadInput(
                f"input github-record: {record!r} is neither {' nor '.join(_RECORD)}",
                remedy=f"github-record: {_RECORD[0]}",
            )
        wanted = {}
        for name, commands in _SWITCHES.items():
            wanted[name] = is_true(name, inputs.get(name, ""))
            if wanted[name] and command not in commands:
                raise BadInput(
                    f"input {name}: the command {command} does not take it",
                    remedy=f"leave it out, or use one of: {', '.join(commands)}",
                )
        return cls(
            record=record != "off" and command in DEPLOYING,
            live_tag=wanted["live-tag"],
            release_notes=wanted["release-notes"],
            comment=wanted["comment"],
            issue=wanted["issue"],
        )
