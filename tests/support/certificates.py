"""Certificates for tests, made with the openssl program: self-signed, fresh or expired."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["bundle"]


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


def _openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)
