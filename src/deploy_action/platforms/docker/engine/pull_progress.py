"""How far a pull is, from the lines that the engine sends for each layer. Pure.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageCreate
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PullProgress"]

_BEGUN = ("Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Extracting")
_DOWNLOADED = "Download complete"
_DONE = ("Pull complete", "Already exists")
_EVERY_SECONDS = 1.0
_LARGEST_BYTES = 1 << 50


class PullProgress:
    """Counts layers and bytes of one pull."""

    def __init__(self) -> None:
        self._done: dict[str, bool] = {}
        self._bytes: dict[str, tuple[int, int]] = {}
        """Layer → downloaded and whole size."""
        self._told = 0.0

    def is_due(self, line: Mapping[str, Any], now: float) -> bool:
        """Note one line of the engine; tell whether the progress is worth telling again.

        Args:
            now: monotonic seconds.
        """
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        if not layer or status not in (*_BEGUN, _DOWNLOADED, *_DONE):
            return False
        self._done[layer] = self._done.get(layer, False) or status in _DONE
        detail = line.get("progressDetail") or {}
        current, total = _size(detail.get("current")), _size(detail.get("total"))
        if status == "Downloading" and current is not None and total is not None:
            self._bytes[layer] = min(current, total), total
        elif status in (_DOWNLOADED, *_DONE) and layer in self._bytes:
            whole = self._bytes[layer][1]
            self._bytes[layer] = whole, whole
        if now - self._told < _EVERY_SECONDS:
            return False
        self._told = now
        return True

    def __str__(self) -> str:
        text = f"{sum(self._done.values())} of {len(self._done)} layers"
        if self._bytes:
            current, total = (sum(sizes) / 1e6 for sizes in zip(*self._bytes.values(), strict=True))
            text += f", {current:.0f} of {total:.0f} MB"
        return text


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < _LARGEST_BYTES else None
