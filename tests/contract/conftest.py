"""Every test of the contract runs twice: on a host in memory and on this machine's engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.bench import Bench, fake_bench, real_bench


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A workbench on one of the two."""
    with (real_bench if request.param == "docker" else fake_bench)() as made:
        yield made
