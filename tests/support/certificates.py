"""Certificates for tests, made with the openssl program: self-signed, expired, or of an authority."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["authority", "bundle", "signed"]


def bundle(directory: Path, name: str, *, host: str = "shop.test", days: int = 30) -> Path:
    """Write NAME.pem with a certificate for `host` and its key; negative `days` have passed."""
    # Each has a subject of its own: a client finds what it trusts by that.
    key, asked, leaf = (directory / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
    _openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", str(key), "-out", str(asked), "-subj", f"/CN={name}"),
    )
    extensions = directory / f"{name}.ext"
    extensions.write_text(f"subjectAltName=DNS:{host}\n")
    _openssl(
        *("x509", "-req", "-in", str(asked), "-signkey", str(key), "-out", str(leaf)),
        *("-days", str(days), "-extfile", str(extensions)),
    )
    whole = directory / f"{name}.pem"
    whole.write_bytes(leaf.read_bytes() + key.read_bytes())
    return whole


def authority(directory: Path) -> Path:
    """Write ca.pem and its key, and return the directory, from which `signed` takes them."""
    directory.mkdir(parents=True, exist_ok=True)
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", str(directory / "ca-key.pem"), "-out", str(directory / "ca.pem")),
        *("-subj", "/CN=test authority", "-days", "30"),
    )
    return directory


def signed(by: Path, directory: Path, *, name: str, use: str) -> Path:
    """Write ca.pem, cert.pem and key.pem of one party, as Docker names them.

    Args:
        name: what it is known by: `IP:10.0.0.2`, `DNS:client`.
        use: serverAuth or clientAuth.
    """
    directory.mkdir(parents=True, exist_ok=True)
    extensions = directory / "extensions"
    extensions.write_text(f"subjectAltName={name}\nextendedKeyUsage={use}\n")
    _openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", str(directory / "key.pem"), "-out", str(directory / "asked.csr")),
        *("-subj", f"/CN={name.partition(':')[2]}"),
    )
    _openssl(
        *("x509", "-req", "-in", str(directory / "asked.csr"), "-CA", str(by / "ca.pem")),
        *("-CAkey", str(by / "ca-key.pem"), "-CAcreateserial", "-days", "30"),
        *("-out", str(directory / "cert.pem"), "-extfile", str(extensions)),
    )
    (directory / "ca.pem").write_bytes((by / "ca.pem").read_bytes())
    return directory


def _openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)
