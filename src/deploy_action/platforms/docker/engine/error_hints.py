"""Docker's, a registry's and OpenSSL's words → error code, likely cause and remedy.

The only place that looks into messages of the engine: everybody else compares codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy_action.errors import DeploymentFailed, ErrorCode

__all__ = ["Hint", "engine_error", "find_hint", "shorten", "tls_hint"]


@dataclass(frozen=True, slots=True)
class Hint:
    """What a message means."""

    code: ErrorCode = ErrorCode.DEPLOYMENT_FAILED
    cause: str = ""
    remedy: str = ""


_ENTRYPOINT_NOT_FOUND = Hint(ErrorCode.ENTRYPOINT_NOT_FOUND, "the entry point is missing")

# The first row with one of its phrases in the message, in lower case, applies.
_HINTS = (
    (("executable file not found",), _ENTRYPOINT_NOT_FOUND),
    # "Permission denied" is the kernel's, about an entry point; "denied" alone is a registry's.
    (
        ("permission denied",),
        Hint(
            ErrorCode.ENTRYPOINT_NOT_EXECUTABLE,
            "the entry point is not executable, or access is refused",
        ),
    ),
    (
        ("manifest unknown", "not found: manifest"),
        Hint(
            ErrorCode.IMAGE_NOT_FOUND,
            "the registry has no such tag or digest",
            "push it, or look which tags there are",
        ),
    ),
    (("no such image",), Hint(ErrorCode.IMAGE_NOT_FOUND, "the host does not have the image")),
    (
        ("unauthorized", "denied", "no basic auth"),
        Hint(
            ErrorCode.UNAUTHORIZED,
            "the registry refuses the credentials",
            "see registry in deploy.yaml; try docker login with the same name and password",
        ),
    ),
    (
        ("no matching manifest", "exec format error"),
        Hint(ErrorCode.WRONG_ARCHITECTURE, "the image is for another architecture"),
    ),
    (
        ("connection refused", "connection reset", "no such host", ": eof", "unexpected eof"),
        Hint(
            ErrorCode.REGISTRY_UNREACHABLE,
            "the registry does not answer",
            "try again later; with pull: missing an image that the host has is used",
        ),
    ),
    (
        ("no space left",),
        Hint(
            ErrorCode.DISK_FULL,
            "the disk of the host is full",
            "free space there: docker system df, then docker image prune",
        ),
    ),
    (
        ("port is already allocated", "bind: address already in use"),
        Hint(ErrorCode.PORT_TAKEN, "another process or container has that port"),
    ),
    (
        ("address already in use", "pool overlaps"),
        Hint(ErrorCode.ADDRESS_IN_USE, "another container or network has that address"),
    ),
    (("no such file or directory",), _ENTRYPOINT_NOT_FOUND),
)


def find_hint(message: str) -> Hint:
    """Return what a refusal of the engine means."""
    text = message.lower()
    matches = (hint for phrases, hint in _HINTS if any(phrase in text for phrase in phrases))
    return next(matches, Hint())


def engine_error(host: str, doing: str, message: str) -> DeploymentFailed:
    """Make the error for a call that the engine refused."""
    hint = find_hint(message)
    return DeploymentFailed(
        f"{host}: {doing}: {message}",
        cause=hint.cause,
        remedy=hint.remedy or "deploy-action doctor",
        code=hint.code,
    )


def shorten(error: Exception) -> str:
    """Say in a few words why a connection failed."""
    text = str(error)
    match = re.search(r"\[Errno \d+\] [^'\")]+|[Tt]imed out|[Tt]imeout", text)
    return match.group(0) if match else f"{type(error).__name__}: {text[:160]}"


def tls_hint(message: str) -> Hint:
    """Return which side of a TLS connection refuses the other's certificate; empty if neither.

    Source: OpenSSL's reasons, as Python's ssl module words them.
    """
    text = message.lower().replace("_", " ")
    if "certificate verify failed" in text:
        return Hint(
            ErrorCode.HOST_UNREACHABLE,
            "the engine's certificate is not one of the authority in DOCKER_CERT_PATH/ca.pem",
            "compare: openssl s_client -connect HOST:PORT -CAfile ca.pem",
        )
    # Since TLS 1.3 a server may end the connection before its reason is read.
    refusals = ("alert unknown ca", "bad certificate", "certificate required", "eof occurred")
    if any(phrase in text for phrase in refusals):
        return Hint(
            ErrorCode.HOST_UNREACHABLE,
            "the engine refuses the certificate in DOCKER_CERT_PATH/cert.pem",
            "have it signed by the authority that the engine was given with --tlscacert",
        )
    return Hint(ErrorCode.HOST_UNREACHABLE)
