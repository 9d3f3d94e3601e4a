"""Expecting an error by its identifier; its words may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy_action.errors import DeployActionError, ErrorCode

__all__ = ["fails_with"]


@contextmanager
def fails_with(code: ErrorCode) -> Iterator[pytest.ExceptionInfo[DeployActionError]]:
    """Fail unless the block raises the error that has this code."""
    with pytest.raises(DeployActionError) as caught:
        yield caught
    assert caught.value.code is code, caught.value
