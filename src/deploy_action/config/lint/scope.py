"""What a lint rule gets, one environment, and what it yields, findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy_action.config.document import KeyPath
from deploy_action.config.merge import Section, lookup
from deploy_action.config.model import Environment
from deploy_action.problem import Severity

__all__ = ["Finding", "Rule", "Scope", "error", "seconds", "warning", "zero"]

_NOTHING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One contradiction, at a path of the merged environment.

    Attributes:
        at_key: point at the key rather than at its value.
    """

    path: KeyPath
    message: str
    hint: str
    rule: str
    severity: Severity = Severity.ERROR
    at_key: bool = False


def error(rule: str, path: KeyPath, message: str, hint: str, *, at_key: bool = False) -> Finding:
    """Return a finding that refuses the configuration."""
    return Finding(path=path, message=message, hint=hint, rule=rule, at_key=at_key)


def warning(rule: str, path: KeyPath, message: str, hint: str, *, at_key: bool = False) -> Finding:
    """Return a finding that lets a deployment pass."""
    severity = Severity.WARNING
    return Finding(
        path=path, message=message, hint=hint, rule=rule, severity=severity, at_key=at_key
    )


def zero(path: KeyPath, noun: str) -> Finding:
    """Return the error for a duration that must be above zero."""
    return error(
        "zero-duration",
        path,
        f"the {noun} is zero, which leaves no time at all",
        "write a duration above zero, or remove the key",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One environment, as a rule sees it.

    Attributes:
        environment: resolved from the valid part of the file.
        valid: its merged settings, without what the schema refuses.
        written: its merged settings as they are in the file, valid or not.
        image_volumes: VOLUMEs of the Dockerfile that is built, where there is one.
        leads_out: tells whether a path, relative to deploy.yaml, is outside of the repository.
        text: returns the text of a file, by such a path; raises ValueError with the reason.
    """

    environment: Environment
    valid: Section
    written: Section
    image_volumes: tuple[str, ...] = ()
    leads_out: Callable[[str], bool] = lambda _: False
    text: Callable[[str], str] = lambda _: ""

    def gives(self, *path: str | int) -> bool:
        """Tell whether a valid value is written at `path`."""
        return lookup(self.valid, path) is not None

    def lacks(self, *path: str | int) -> bool:
        """Tell whether nothing is written at `path`, not even something invalid."""
        return lookup(self.written, path, _NOTHING) is _NOTHING

    def broken(self, *keys: str) -> bool:
        """Tell whether the schema refuses part of one of these settings.

        Rules that depend on such a setting yield nothing: its value is unknown.
        """
        return any(lookup(self.valid, (key,)) != lookup(self.written, (key,)) for key in keys)


Rule = Callable[[Scope], Iterator[Finding]]


def seconds(value: float) -> str:
    """Return seconds as a person would write them: ``200ms``, ``90s`` → ``1m30s``, ``2h``."""
    if 0 < value < 1:
        return f"{value * 1000:g}ms"
    minutes, rest = divmod(value, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    parts.append(f"{rest:g}s" if rest or not (hours or minutes) else "")
    return "".join(parts)
