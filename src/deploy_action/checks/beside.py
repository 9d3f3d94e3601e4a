"""A program in a container of its own, beside the replica that it tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy_action.inputs import Secret

__all__ = ["Beside", "Ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What to run: it has the replica's network, these files, and nothing else.

    Attributes:
        names: host names that lead to an address.
        files: path → content, for the program's user alone.
        readable_files: path → text.
        report: path of the file that it writes.
    """

    image: str
    argv: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Secret] = field(default_factory=dict)
    readable_files: Mapping[str, str] = field(default_factory=dict)
    report: str


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
