"""What an engine says of itself, and what follows from it."""

from __future__ import annotations

import pytest

from deploy_action.platforms.docker.engine.containers import stop_survives_disconnect


@pytest.mark.parametrize(
    ("server", "alone"),
    [
        ("Docker/20.10.24+dfsg1 (linux)", True),
        ("Docker/23.0.0 (linux)", False),
        ("Docker/23.0.8 (linux)", False),
        ("Docker/23.0.9 (linux)", True),
        ("Docker/24.0.2 (linux)", False),
        ("Docker/24.0.3 (linux)", True),
        ("Docker/28.2.2 (linux)", True),
        ("Libpod/4.9.3 (linux)", False),
        ("", False),
    ],
)
def test_a_stop_is_left_alone_only_where_the_engine_goes_on_with_it(
    server: str, alone: bool
) -> None:
    """Some versions kill a container at once when nobody waits for its stop any more."""
    assert stop_survives_disconnect(server) is alone
