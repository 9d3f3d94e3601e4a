"""The view model: what a report shows, as blocks that every format renders in its own way.

Used as a vocabulary: `from deploy_action.render import view`, then `view.Table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.problem import Problem
    from deploy_action.releases.model import Phase


class Tone(Enum):
    """How well something is: its mark and its colour."""

    GOOD = auto()
    BAD = auto()
    WARNING = auto()
    PLAIN = auto()


class Form(Enum):
    """What a cell holds."""

    TEXT = auto()
    CODE = auto()
    URL = auto()
    COMMIT = auto()
    BUTTON = auto()
    """The repository's workflow for rollbacks."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and its form."""

    text: str
    form: Form = Form.TEXT


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels with a value each."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        details: labelled sentences about it; a label may be empty.
        problems: what is wrong at which place of which file.
    """

    cells: tuple[str, ...]
    tone: Tone = Tone.PLAIN
    details: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below a heading.

    Attributes:
        marked: each row was judged, and has a mark that says how.
        folded: what is good is counted in the title and folded away.
    """

    title: str = ""
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    marked: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why it failed and what to do; `severe` where manual intervention is required."""

    what: str
    cause: str = ""
    remedy: str = ""
    severe: bool = False


@dataclass(frozen=True, slots=True)
class Problems:
    """What is wrong at which place of which file."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps in their order."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences that a person should read."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines from outside."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When which phase ran."""

    phases: tuple[Phase, ...]


Block = Facts | Table | Failure | Problems | Steps | Notes | Quote | Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A report to be shown.

    Attributes:
        sign: a pictogram that says more than the tone's; may be empty.
        reasons: why it ended so, and the facts.
        findings: what was judged beforehand (configuration, gates). A terminal shows it above the
            title, which then stands next to the prompt.
        details: everything else, the most important first.
    """

    title: str
    tone: Tone = Tone.PLAIN
    sign: str = ""
    took: str = ""
    reasons: tuple[Block, ...] = ()
    findings: tuple[Block, ...] = ()
    details: tuple[Block, ...] = ()


def facts(rows: Iterable[tuple[str, Cell]]) -> tuple[Facts, ...]:
    """Return the rows as a block, or none where no row has a value."""
    known = tuple((label, cell) for label, cell in rows if cell.text)
    return (Facts(known),) if known else ()


def labelled(**texts: str) -> tuple[tuple[str, str], ...]:
    """Return details that have a text."""
    return tuple((label, text) for label, text in texts.items() if text)


def notes(texts: Iterable[object]) -> tuple[Notes, ...]:
    """Return notes as a block, each once; none where there are none."""
    unique = tuple(dict.fromkeys(map(str, texts)))
    return (Notes(unique),) if unique else ()
