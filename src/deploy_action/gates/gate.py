"""What a gate is: its key in deploy.yaml, its options, how it runs and how it describes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from deploy_action.gates.result import GateResult
from deploy_action.units import parse_duration

__all__ = ["Gate", "OptionProblem", "count", "option_values", "switched_on", "zero_timeout"]

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionProblem:
    """A contradiction in a gate's options that the schema cannot express.

    `path` leads to the option from the gate's key, for example ``("timeout",)``.
    """

    path: tuple[str | int, ...] = ()
    message: str
    hint: str
    rule: str


def _no_problems(_options: Any) -> Iterable[OptionProblem]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Generic[Options]):
    """One entry of the registry; validation, reports and documents follow from it.

    Attributes:
        key: the key under ``gates`` in deploy.yaml; ``schemas/deploy.schema.json`` describes it.
        options: frozen dataclass of the options, with every default.
        read: returns the options of a valid value of the key; None where it turns the gate off.
        run: runs the gate below a directory that all paths are relative to. It never raises
            because of what the directory contains: what cannot be checked is `Broken`.
        describe: says in plain text what must hold, one line for each thing.
        lint: yields what is wrong with the options.
    """

    key: str
    options: type[Options]
    read: Callable[[Any], Options | None]
    run: Callable[[Options, Path], GateResult]
    describe: Callable[[Options], Sequence[str]]
    lint: Callable[[Options], Iterable[OptionProblem]] = _no_problems

    @property
    def name(self) -> str:
        """The name in reports."""
        return self.key.replace("_", "-")


def switched_on(value: bool | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the options of a gate that ``true`` and ``false`` switch; None when it is off."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def option_values(value: bool | Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of a gate's options by their names; None where the gate is turned off.

    Lists become tuples, and `timeout` becomes `timeout_seconds`.
    """
    section = switched_on(value)
    if section is None:
        return None
    values: dict[str, Any] = {
        name: tuple(item) if isinstance(item, list) else item
        for name, item in section.items()
        if name != "timeout"
    }
    if "timeout" in section:
        values["timeout_seconds"] = parse_duration(section["timeout"])
    return values


def zero_timeout(timeout_seconds: float) -> Iterator[OptionProblem]:
    """Yield a problem if a timeout is zero."""
    if timeout_seconds <= 0:
        yield OptionProblem(
            path=("timeout",),
            message="the timeout is zero, which can never be kept",
            hint="write a duration above zero, or remove the key",
            rule="zero-duration",
        )


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
