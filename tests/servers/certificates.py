"""Certificates that are made for one test."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.forward_proxy import NAME


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, for a server or a client, and its key; PEM files."""

    certificate: str
    key: str


def make_certificate(folder: Path, name: str, hosts: str = f"DNS:{NAME},IP:::1,IP:127.0.0.1") -> Certificate:
    """Make one whose files are called after it."""
    made = Certificate(str(folder / f"{name}.crt"), str(folder / f"{name}.key"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName={hosts}", "-days", "2"),
            *("-out", made.certificate, "-keyout", made.key),
        ],
        check=True,
        capture_output=True,
    )
    return made


def server_context(server: Certificate, client: Certificate | None = None) -> ssl.SSLContext:
    """For a server that has this certificate and, if a client is given, speaks with nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    if client is not None:
        context.load_verify_locations(client.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
