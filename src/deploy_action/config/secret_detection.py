"""Recognises names and texts that look like secrets, and keeps them out of messages."""

from __future__ import annotations

import json
import re

from deploy_action.config.document import KeyPath

__all__ = ["HIDDEN", "looks_secret", "name_looks_secret", "secret_spans", "shown"]

HIDDEN = "(not shown)"

_MAX_SHOWN = 60
_NAME = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key"
    r"|credential|(?:^|[_-])(?:pwd|pass|auth|dsn|key)(?:$|[_-])",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(
    r"(?:_|^)(?:file|path|dir|name|id|url|ttl|expiry|length|timeout|enabled|type|header)$",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"-----BEGIN[^-]*-----.*|\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|xox[abeoprs]-[\w-]{10,}|sk[-_][\w-]{16,}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{10,}\.[\w.-]*)|://[^/\s:@]*:(?P<password>[^/\s@]+)@",
    re.DOTALL,
)


def name_looks_secret(name: str) -> bool:
    """Tell whether a variable of this name usually holds a secret."""
    return bool(_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def looks_secret(value: str) -> bool:
    """Tell whether a text has the form of a well-known kind of secret."""
    return bool(_VALUE.search(value))


def secret_spans(line: str) -> list[tuple[int, int]]:
    """Return where a line has well-known kinds of secrets, whatever their key is called."""
    return [
        match.span("password") if match["password"] else match.span()
        for match in _VALUE.finditer(line)
    ]


def shown(path: KeyPath, value: object) -> str:
    """Return a value for a message: on one line, short, and never a secret."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if any(isinstance(part, str) and name_looks_secret(part) for part in path):
        return HIDDEN
    if isinstance(value, str) and looks_secret(value):
        return HIDDEN
    try:
        text = json.dumps(value, ensure_ascii=not str(value).isprintable())
    except ValueError:
        # Python refuses to write integers of more than 4,300 digits.
        return "a very long number"
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"
