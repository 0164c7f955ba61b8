"""Certificates: whom the bot believes, and how it proves who it is."""

from __future__ import annotations

import os
import ssl

from swarming_bot.errors import UnusableCertificates

CA_FILE = "SWARMING_CA_FILE"
CLIENT_CERT = "SWARMING_CLIENT_CERT"
CLIENT_KEY = "SWARMING_CLIENT_KEY"


def tls_context() -> ssl.SSLContext:
    """Trusts what the system trusts (or SSL_CERT_FILE and SSL_CERT_DIR name), and SWARMING_CA_FILE besides.

    SWARMING_CLIENT_CERT is a PEM file with the client's certificate, and with its key unless SWARMING_CLIENT_KEY names
    another. Raises UnusableCertificates, naming the variable, for a file that cannot be used.
    """
    context = ssl.create_default_context()
    ca_file, certificate = os.environ.get(CA_FILE), os.environ.get(CLIENT_CERT)
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            wanted = "a PEM file with certificates"
            raise UnusableCertificates(f"{CA_FILE}: {ca_file!r}: expected {wanted}: {error}") from error
    if certificate:
        try:
            # An encrypted key would be asked for on a terminal that nobody watches.
            context.load_cert_chain(certificate, os.environ.get(CLIENT_KEY) or None, password=lambda: "")
        except (OSError, ValueError) as error:
            wanted = f"a PEM file with a certificate and its key (or {CLIENT_KEY}), the key not encrypted"
            raise UnusableCertificates(f"{CLIENT_CERT}: {certificate!r}: expected {wanted}: {error}") from error
    return context
