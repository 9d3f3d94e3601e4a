"""What a schema cannot say: contradictions between keys, each with a way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deploy_action.config.document import Document
from deploy_action.problem import Problem

__all__ = ["lint"]


def lint(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong or doubtful in the valid part `data` of a document."""
    del document, data
    yield from ()
