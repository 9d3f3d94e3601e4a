"""Which port an application really listens on, from the kernel's own tables."""

from __future__ import annotations

import pytest

from deploy_action.platforms.docker.listeners import describe, read_listeners

TABLES = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0B00007F:9D2B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0
   2: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0
   3: 020A800A:1F90 010A800A:C350 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 00000000:0
   1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:0
   nonsense
"""


def test_listening_sockets_are_read_and_no_others() -> None:
    """Of both families; connections, Docker's own name server and other lines are left out."""
    assert read_listeners(TABLES) == (("127.0.0.1", 3000), ("*", 9000), ("::1", 22))


@pytest.mark.parametrize(
    ("port", "exposed", "parts"),
    [
        (8080, (), ("nothing listens on 8080", "127.0.0.1:3000", "*:9000")),
        (8080, (3000,), ("the image exposes 3000",)),
        (3000, (3000,), ("127.0.0.1:3000 alone", "0.0.0.0")),
    ],
)
def test_both_values_are_named(port: int, exposed: tuple[int, ...], parts: tuple[str, ...]) -> None:
    """The port that deploy.yaml has, and the ones that are there."""
    said = describe(port, read_listeners(TABLES), exposed)
    assert [part for part in parts if part not in said] == []


def test_nothing_is_said_that_is_not_known() -> None:
    """The port is open, or the tables could not be read."""
    assert describe(9000, read_listeners(TABLES), (3000,)) == ""
    assert describe(8080, (), (3000,)) == ""
