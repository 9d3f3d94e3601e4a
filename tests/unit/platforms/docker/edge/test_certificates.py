"""Certificates are proved before they are used, by what a client would say to them."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.support.certificates import bundle

from deploy_action.config.model import Certificate
from deploy_action.errors import BadInput, DeploymentFailed
from deploy_action.inputs import Inputs
from deploy_action.platforms.docker.edge.certificates import (
    install,
    read_bundle,
    remove_others,
    served_fingerprint,
    served_until,
    verify_bundle,
)

HOST = "shop.test"


class Volume:
    """The two requests of a session that certificates need, over a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.written: list[str] = []

    def names(self, directory: str) -> tuple[str, ...]:
        return tuple(
            path.removeprefix(f"{directory}/")
            for path in self.files
            if path.startswith(f"{directory}/")
        )

    def put(self, path: str, content: bytes) -> None:
        self.files[path] = content
        self.written.append(path)

    def delete(self, path: str) -> None:
        del self.files[path]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return bundle(tmp_path, "good")


@pytest.mark.parametrize("host", [HOST, "", "*.shop.test"])
def test_a_good_bundle_is_known_by_its_certificate(good: Path, host: str) -> None:
    """The fingerprint is the leaf's SHA-256, whatever key and chain stand beside it."""
    found = verify_bundle(good.read_bytes(), where="x", hosts=[host])
    leaf = ssl.PEM_cert_to_DER_cert(good.with_suffix(".crt").read_text())
    assert found.fingerprint == hashlib.sha256(leaf).hexdigest()


def test_a_certificate_has_to_be_for_every_name(good: Path) -> None:
    """The refusal says for which one it is not."""
    with pytest.raises(BadInput, match=r"for www\.shop\.test: "):
        verify_bundle(good.read_bytes(), where="x", hosts=[HOST, "www.shop.test"])


def test_the_key_is_not_shown(good: Path) -> None:
    """A bundle in a message, a log or a traceback does not show what it holds."""
    assert "PRIVATE" not in repr(verify_bundle(good.read_bytes(), where="x", hosts=[HOST]))


def test_what_clients_would_refuse_is_refused(tmp_path: Path, good: Path) -> None:
    """Expired, for another name, with another one's key, without a key, no PEM at all."""
    expired = bundle(tmp_path, "expired", days=-1).read_bytes()
    other = bundle(tmp_path, "other", host="other.test")
    cases = {
        "expired": expired,
        "mismatch": other.read_bytes(),
        "key values": good.with_suffix(".crt").read_bytes()
        + other.with_suffix(".key").read_bytes(),
        "not a usable": good.with_suffix(".crt").read_bytes(),
        "not a PEM bundle": b"hello",
    }
    for words, content in cases.items():
        with pytest.raises(BadInput) as caught:
            verify_bundle(content, where="certs/shop.pem", hosts=[HOST])
        assert words.lower() in str(caught.value).lower()
        assert "certs/shop.pem" in caught.value.what
        assert "BEGIN" not in str(caught.value)


def test_an_encrypted_key_is_refused_instead_of_asked_for(good: Path, tmp_path: Path) -> None:
    """No prompt for a password ever stops a deployment."""
    locked = tmp_path / "locked.key"
    subprocess.run(
        [
            *("openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:secret"),
            *("-in", str(good.with_suffix(".key")), "-out", str(locked)),
        ],
        check=True,
        capture_output=True,
    )
    with pytest.raises(BadInput, match="encrypted"):
        verify_bundle(
            good.with_suffix(".crt").read_bytes() + locked.read_bytes(), where="x", hosts=[HOST]
        )


def test_a_bundle_comes_from_a_file_beside_the_configuration_or_from_a_variable(
    good: Path, tmp_path: Path
) -> None:
    """Both ways lead to the same bundle."""
    config = tmp_path / "deploy.yaml"
    by_file = read_bundle(Certificate(file="good.pem"), Inputs(config=config), hosts=[HOST])
    environ = {"PEM": good.read_text()}
    by_secret = read_bundle(
        Certificate(secret="PEM"), Inputs(config=config, environ=environ), hosts=[HOST]
    )
    assert by_file == by_secret


@pytest.mark.parametrize(
    ("certificate", "words"),
    [(Certificate(file="no.pem"), "no.pem"), (Certificate(secret="NO_PEM"), "NO_PEM is not set")],
)
def test_a_missing_bundle_is_named(certificate: Certificate, words: str, tmp_path: Path) -> None:
    """The message says which file or variable is missing."""
    with pytest.raises(BadInput, match=words):
        read_bundle(certificate, Inputs(config=tmp_path / "deploy.yaml"), hosts=[HOST])


def test_a_new_content_has_a_new_name_and_the_old_one_is_swept(tmp_path: Path) -> None:
    """A renewal never overwrites what the running edge has read; the same is written once."""
    volume = Volume()
    first = verify_bundle(bundle(tmp_path, "a").read_bytes(), where="x", hosts=[HOST])
    second = verify_bundle(bundle(tmp_path, "b").read_bytes(), where="x", hosts=[HOST])
    paths = [install(volume, "shop-a", b) for b in (first, first, second)]  # type: ignore[arg-type]
    assert paths[0] == paths[1] != paths[2]
    assert volume.written == [paths[0], paths[2]]
    other = install(volume, "shop-b", first)  # type: ignore[arg-type]
    remove_others(volume, "certs/shop-a", paths[2])  # type: ignore[arg-type]
    assert set(volume.files) == {paths[2], other}


def test_the_served_certificate_is_seen_by_a_handshake(good: Path) -> None:
    """What a server on a socket answers with is what is compared, by nobody's authority."""
    proved = verify_bundle(good.read_bytes(), where="x", hosts=[HOST])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(good)
    ours, theirs = socket.socketpair()
    ours.settimeout(5)

    def serve() -> None:
        with context.wrap_socket(theirs, server_side=True) as served:
            served.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    assert served_fingerprint(ours, host=HOST) == proved.fingerprint
    thread.join()


def test_no_handshake_is_a_failure_with_words() -> None:
    """A port that does not speak TLS fails the deployment, not the program."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    theirs.shutdown(socket.SHUT_WR)
    with theirs, pytest.raises(DeploymentFailed, match="no TLS handshake"):
        served_fingerprint(ours, host=HOST)


def test_until_when_clients_accept_it_is_told(good: Path, tmp_path: Path) -> None:
    """By a handshake, whoever signed it; a wrong name is refused as clients would."""

    def dial_to(path: Path) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        ours, theirs = socket.socketpair()
        ours.settimeout(5)

        def serve() -> None:
            try:
                with context.wrap_socket(theirs, server_side=True) as served:
                    served.recv(1)
            except OSError:
                theirs.close()

        threading.Thread(target=serve, daemon=True).start()
        return ours

    left = served_until(lambda: dial_to(good), host=HOST) - time.time()
    assert 29 < left / 86400 <= 30
    other = bundle(tmp_path, "other", host="other.test")
    with pytest.raises(DeploymentFailed, match="Hostname mismatch"):
        served_until(lambda: dial_to(other), host=HOST)
    expired = bundle(tmp_path, "expired", days=-1)
    with pytest.raises(DeploymentFailed, match="expired"):
        served_until(lambda: dial_to(expired), host=HOST)
