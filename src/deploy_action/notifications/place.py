"""What a notification is about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A service in an environment; empty where deploy.yaml does not say."""

    service: str
    environment: str

    def __str__(self) -> str:
        return f"{self.service} in {self.environment}" if self.environment else self.service
