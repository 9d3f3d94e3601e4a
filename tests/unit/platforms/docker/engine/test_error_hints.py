"""What an engine says, as codes that everybody else compares."""

from __future__ import annotations

import pytest

from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.engine.error_hints import engine_error, find_hint, tls_hint


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("manifest for shop:9 not found: manifest unknown", ErrorCode.IMAGE_NOT_FOUND),
        ("No such image: shop:9", ErrorCode.IMAGE_NOT_FOUND),
        ("pull access denied for shop, repository does not exist", ErrorCode.UNAUTHORIZED),
        ("no basic auth credentials", ErrorCode.UNAUTHORIZED),
        (
            "no matching manifest for linux/arm64 in the manifest list entries",
            ErrorCode.WRONG_ARCHITECTURE,
        ),
        ("exec /bin/shop: exec format error", ErrorCode.WRONG_ARCHITECTURE),
        (
            "dial tcp 127.0.0.1:5000: connect: connection refused",
            ErrorCode.REGISTRY_UNREACHABLE,
        ),
        ("write /var/lib/docker/tmp/1: no space left on device", ErrorCode.DISK_FULL),
        ("Bind for 0.0.0.0:80 failed: port is already allocated", ErrorCode.PORT_TAKEN),
        ("listen tcp4 0.0.0.0:80: bind: address already in use", ErrorCode.PORT_TAKEN),
        ("Address already in use", ErrorCode.ADDRESS_IN_USE),
        ("Pool overlaps with other one on this address space", ErrorCode.ADDRESS_IN_USE),
        (
            'exec: "shop": executable file not found in $PATH: unknown',
            ErrorCode.ENTRYPOINT_NOT_FOUND,
        ),
        ("exec: /shop: stat /shop: no such file or directory", ErrorCode.ENTRYPOINT_NOT_FOUND),
        ('exec: "/shop": permission denied: unknown', ErrorCode.ENTRYPOINT_NOT_EXECUTABLE),
        ("something new", ErrorCode.DEPLOYMENT_FAILED),
    ],
)
def test_a_message_of_the_engine_has_a_code(message: str, code: ErrorCode) -> None:
    """Docker 20.10 to 28 word them so."""
    assert find_hint(message).code is code
    error = engine_error("a", "start 1", message)
    assert error.code is code
    assert error.what == f"a: start 1: {message}"
    assert error.remedy


def test_the_side_that_distrusts_is_named() -> None:
    """And a failure that has nothing to do with certificates has no cause."""
    assert "ca.pem" in tls_hint("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed").cause
    assert "cert.pem" in tls_hint("tlsv1 alert unknown ca").cause
    assert tls_hint("timed out").cause == ""
