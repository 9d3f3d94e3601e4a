"""The edge's certificates: verified before use, stored in the state volume, checked where they serve.

A bundle is written only through the session into the volume; its key is in no configuration, label,
ledger or message.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from deploy_action.checks.exchange import Deadline
from deploy_action.errors import BadInput, DeploymentFailed
from deploy_action.missing_secret import advise
from deploy_action.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from deploy_action.config.model import Certificate
    from deploy_action.inputs import Inputs
    from deploy_action.session.client import Session

__all__ = [
    "Bundle",
    "install",
    "read_bundle",
    "remove_others",
    "served_fingerprint",
    "served_until",
    "verify_bundle",
]

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_MAX_BYTES = 1 << 20
_HANDSHAKE_SECONDS = 5.0
_CONTENT = "a bundle holds the certificate, its chain and the unencrypted private key as PEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified certificate with chain and key. `fingerprint` is the certificate's SHA-256."""

    pem: bytes = field(repr=False)
    fingerprint: str

    def path(self, backend: str) -> str:
        """Return its path below the state volume, which contains a hash of its content."""
        return f"certs/{backend}/{hashlib.sha256(self.pem).hexdigest()[:16]}.pem"


def read_bundle(certificate: Certificate, inputs: Inputs, *, hosts: Collection[str]) -> Bundle:
    """Read and verify the bundle that deploy.yaml names.

    Args:
        hosts: names that the certificate must be for; empty or a wildcard is not compared.

    Raises:
        BadInput: it is missing or unusable; the message never quotes it.
    """
    if certificate.secret is not None:
        value = inputs.secret(certificate.secret)
        if value is None or not value.reveal().strip():
            advice = advise(certificate.secret, inputs.environ)
            raise BadInput(
                f"the certificate's variable {certificate.secret} is not set",
                cause=advice.cause,
                remedy=advice.remedy,
            )
        return verify_bundle(value.reveal().encode(), where=certificate.secret, hosts=hosts)
    path = inputs.config.parent / (certificate.file or "")
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"{path}: the certificate cannot be read: {error.strerror}",
            remedy="route.certificate.file is relative to deploy.yaml",
        ) from error
    redact.protect(content.decode(errors="replace"))
    return verify_bundle(content, where=str(path), hosts=hosts)


def verify_bundle(pem: bytes, *, where: str, hosts: Collection[str]) -> Bundle:
    """Verify a bundle by a handshake in memory, in which a client checks validity and name.

    Raises:
        BadInput: it is no bundle, its key is another certificate's, it has expired, or it is not
            for one of `hosts`.
    """
    blocks = _BLOCK.findall(pem)
    if not blocks or len(pem) > _MAX_BYTES:
        raise BadInput(f"{where}: not a PEM bundle with a certificate", remedy=_CONTENT)
    try:
        leaf = ssl.PEM_cert_to_DER_cert(blocks[0].decode("ascii"))
        server = _server(pem)
    except (ssl.SSLError, ValueError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{where}: not a usable certificate with its key: {_reason(error)}", remedy=_CONTENT
        ) from error
    for host in {"" if name.startswith("*") else name: None for name in hosts} or ("",):
        problem = _refusal(server, blocks[0].decode("ascii"), host)
        if problem:
            raise BadInput(
                f"{where}: clients would refuse this certificate"
                f"{f' for {host}' if host else ''}: {problem}",
                remedy="renew it for every host name of the route, or correct route in deploy.yaml",
            )
    return Bundle(pem=pem, fingerprint=hashlib.sha256(leaf).hexdigest())


def _server(pem: bytes) -> ssl.SSLContext:
    # The standard library reads a key only from a file.

    def no_password() -> str:
        raise ValueError("the private key is encrypted")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Created with mode 0600.
    number, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(pem)
        context.load_cert_chain(name, password=no_password)
    finally:
        Path(name).unlink()
    return context


def _refusal(server: ssl.SSLContext, leaf: str, host: str) -> str:
    """Return why a client that trusts this certificate would still refuse it; empty if none."""
    client = _trusting(leaf, host)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host.strip("[]") or None),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return _reason(error)
    return ""


def _trusting(leaf: str, host: str) -> ssl.SSLContext:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = bool(host)
    client.load_verify_locations(cadata=leaf)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return client


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)


def install(session: Session, backend: str, bundle: Bundle) -> str:
    """Write the bundle into the state volume and return its path there."""
    path = bundle.path(backend)
    if PurePosixPath(path).name not in session.names(str(PurePosixPath(path).parent)):
        session.put(path, bundle.pem)
    return path


def remove_others(session: Session, directory: str, keep: str) -> None:
    """Remove the files of a directory except the one that is used."""
    for name in session.names(directory):
        path = f"{directory}/{name}"
        if path != keep:
            session.delete(path)


def served_fingerprint(connection: socket.socket, *, host: str) -> str:
    """Return the SHA-256 of the certificate that is served for `host`.

    Raises:
        DeploymentFailed: the TLS handshake failed.
    """
    return hashlib.sha256(_served(connection, host)).hexdigest()


def served_until(dial: Callable[[], socket.socket], *, host: str) -> float:
    """Return until when (seconds since 1970) clients accept the certificate served for `host`.

    Its issuer is not checked: which authorities are trusted is up to the clients.

    Raises:
        DeploymentFailed: the handshake failed, or the certificate has expired or is not for `host`.
    """
    leaf = _served(dial(), host)
    name = "" if host.startswith("*") else host
    client = _trusting(ssl.DER_cert_to_PEM_cert(leaf), name)
    try:
        with _secured(client, dial(), name.strip("[]") or None) as secured:
            certificate = secured.getpeercert() or {}
    except OSError as error:
        raise DeploymentFailed(f"clients refuse the certificate: {_reason(error)}") from error
    return float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))


@contextlib.contextmanager
def _secured(
    client: ssl.SSLContext, connection: socket.socket, name: str | None
) -> Iterator[ssl.SSLSocket]:
    """Begin TLS within five seconds, however the server sends its bytes."""
    with Deadline(_HANDSHAKE_SECONDS) as deadline:
        deadline.guard(connection)
        with contextlib.closing(client.wrap_socket(connection, server_hostname=name)) as secured:
            yield secured


def _served(connection: socket.socket, host: str) -> bytes:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Which certificate it is matters here, not whether it is trusted.
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    name = None if not host or host.startswith("*") else host.strip("[]")
    try:
        with _secured(client, connection, name) as secured:
            return secured.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise DeploymentFailed(f"no TLS handshake: {_reason(error)}") from error
