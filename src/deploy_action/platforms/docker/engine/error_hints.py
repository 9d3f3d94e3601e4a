"""What an engine, or the way to it, complains of: in a few words, with a cause and what to do."""

from __future__ import annotations

import re

__all__ = ["distrust", "explain", "short"]


def short(error: Exception) -> str:
    """Say in a few words why a connection failed."""
    text = str(error)
    found = re.search(r"\[Errno \d+\] [^'\")]+|[Tt]imed out|[Tt]imeout", text)
    return found.group(0) if found else f"{type(error).__name__}: {text[:160]}"


def distrust(said: str) -> tuple[str, str]:
    """Say which side of a TLS connection does not trust the other, and what to do; empty where
    it is none of that.

    Source: OpenSSL's reasons, as Python's ssl module words them.
    """
    text = said.lower().replace("_", " ")
    if "certificate verify failed" in text:
        return (
            "the engine's certificate is not one of the authority in DOCKER_CERT_PATH/ca.pem",
            "compare: openssl s_client -connect HOST:PORT -CAfile ca.pem",
        )
    # Since TLS 1.3 a server may end the connection before its reason is read.
    refusals = ("alert unknown ca", "bad certificate", "certificate required", "eof occurred")
    if any(word in text for word in refusals):
        return (
            "the engine does not take the certificate in DOCKER_CERT_PATH/cert.pem",
            "have it signed by the authority that the engine was given with --tlscacert",
        )
    return "", ""


def explain(said: str) -> tuple[str, str]:
    """Say the likely cause of a refusal in plain words, and what to do about it."""
    text = said.lower()
    for words, cause, remedy in _REFUSALS:
        if any(word in text for word in words):
            return cause, remedy
    return "", ""


_REFUSALS = (
    # Before what a registry denies.
    (("permission denied",), "the entry point is not executable, or access is refused", ""),
    (
        ("manifest unknown", "not found: manifest"),
        "the registry has no such tag or digest",
        "push it, or look which tags there are",
    ),
    (
        ("unauthorized", "denied", "no basic auth"),
        "the registry refuses the credentials",
        "see registry in deploy.yaml; try docker login with the same name and password",
    ),
    (("no matching manifest", "exec format error"), "the image is for another architecture", ""),
    (
        ("connection refused", "connection reset", "no such host", ": eof", "unexpected eof"),
        "the registry does not answer",
        "try again later; with pull: missing an image that the host has is used",
    ),
    (
        ("no space left",),
        "the disk of the host is full",
        "make room there: docker system df, then docker image prune",
    ),
    (("port is already allocated", "address already in use"), "something else has that port", ""),
    (("executable file not found", "no such file or directory"), "the entry point is missing", ""),
)
