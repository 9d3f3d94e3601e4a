"""The state in haproxy.cfg is input: whoever has the host's socket can write it.

Every value has its type, a bound, and where it stands in a directive or a path, a form. What has not is
refused as a whole: a state that is read in part would take away the routes of the rest.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deploy_action.config.serialize import decode_as
from deploy_action.platforms.docker.edge.state import STATE_FORMAT, Backend

__all__ = ["decode_backends"]

_MAX_TEXT = 8192
_MAX_ITEMS = 10_000
_MAX_NUMBER = 1 << 40
_MAX_WEIGHT = 256
_MAX_PORT = 65_535
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_BACKEND = re.compile(r"[a-z0-9_-]{1,100}")
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,255}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{0,45}")
_TOKEN = re.compile(r"[A-Za-z0-9]{0,64}")
_FILE = re.compile(r"[A-Za-z0-9-]{1,64}\.(?:pem|html)")


def decode_backends(text: str) -> dict[str, Backend]:
    """Decode what `EdgeState.to_json` wrote.

    Raises:
        ValueError: it is damaged, forged, or has another format.
    """
    try:
        data = json.loads(text)
        if data["format"] != STATE_FORMAT:
            raise ValueError(f"format {data['format']!r}, not {STATE_FORMAT}")
        backends = {backend.name: backend for backend in map(_decode, data["backends"])}
        if len(backends) < len(data["backends"]):
            raise ValueError("two backends have one name")
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(str(error)[:200]) from error
    return backends


def _decode(entry: Mapping[str, Any]) -> Backend:
    backend = decode_as(Backend, entry)
    _require(_BACKEND, "name", backend.name)
    # What only a newer version knows would be lost with the next change.
    _require_known(entry, dataclasses.asdict(backend), "")
    for place, value in _values(dataclasses.asdict(backend), backend.name):
        match value:
            case str() if len(value) > _MAX_TEXT or _CONTROL.search(value):
                raise ValueError(f"{place}: a text that is too long or has control characters")
            case int() | float() if not 0 <= value <= _MAX_NUMBER:
                raise ValueError(f"{place}: {value!r}")
    _require(_TOKEN, "token", backend.probe_token)
    _require_file(backend.certificate, f"certs/{backend.name}/")
    _require_file(backend.maintenance, f"pages/{backend.name}/")
    _require_port(backend.port)
    for address in backend.bind:
        _require(_ADDRESS, "address", address)
    for server in backend.servers:
        _require(_SERVER, "server", server.name)
        _require(_ADDRESS, "address", server.address)
        _require_port(server.port)
        if server.weight > _MAX_WEIGHT:
            raise ValueError(f"the weight {server.weight}")
    return backend


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield every text and number with its place; names in mappings too."""
    match value:
        case dict():
            if len(value) > _MAX_ITEMS:
                raise ValueError(f"{place}: {len(value)} items")
            for key, item in value.items():
                yield place, key
                yield from _values(item, f"{place}.{key}")
        case tuple():
            if len(value) > _MAX_ITEMS:
                raise ValueError(f"{place}: {len(value)} items")
            for item in value:
                yield from _values(item, place)
        case _:
            yield place, value


def _require_known(entry: Any, decoded: Any, place: str) -> None:
    match entry, decoded:
        case dict(), dict():
            unknown = sorted(entry.keys() - decoded.keys())
            if unknown:
                raise ValueError(
                    f"it has {place}{unknown[0][:80]}, which this version does not know"
                )
            for key, item in entry.items():
                _require_known(item, decoded[key], f"{place}{key}.")
        case list(), tuple():
            for item, known in zip(entry, decoded, strict=True):
                _require_known(item, known, place)


def _require(form: re.Pattern[str], what: str, text: str) -> None:
    if not form.fullmatch(text):
        raise ValueError(f"the {what} {text[:80]!r}")


def _require_file(path: str, directory: str) -> None:
    """Make sure that a backend names no file but its own."""
    if path and not (path.startswith(directory) and _FILE.fullmatch(path.removeprefix(directory))):
        raise ValueError(f"the path {path[:80]!r}")


def _require_port(port: int) -> None:
    if not 0 < port <= _MAX_PORT:
        raise ValueError(f"the port {port}")
