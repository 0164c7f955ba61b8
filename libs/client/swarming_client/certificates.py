"""Which certificates a client trusts, and how it proves who it is; the variables are the bot's, too."""

from __future__ import annotations

import os
import ssl

import httpx

from swarming_client.errors import UsageError

CA_FILE = "SWARMING_CA_FILE"
CLIENT_CERT = "SWARMING_CLIENT_CERT"
CLIENT_KEY = "SWARMING_CLIENT_KEY"


def tls_context() -> ssl.SSLContext:
    """Trusts what httpx does (or SSL_CERT_FILE and SSL_CERT_DIR name), and SWARMING_CA_FILE besides.

    Raises UsageError, naming the variable, for a file that cannot be used.
    """
    try:
        context = httpx.create_ssl_context()
    except OSError as error:
        raise UsageError(f"SSL_CERT_FILE or SSL_CERT_DIR: expected certificates: {error}") from error
    ca_file, certificate = os.environ.get(CA_FILE), os.environ.get(CLIENT_CERT)
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise UsageError(f"{CA_FILE}: {ca_file!r}: expected a PEM file with certificates: {error}") from error
    if certificate:
        try:
            context.load_cert_chain(certificate, os.environ.get(CLIENT_KEY) or None)
        except OSError as error:
            wanted = f"a PEM file with a certificate and its key (or {CLIENT_KEY})"
            raise UsageError(f"{CLIENT_CERT}: {certificate!r}: expected {wanted}: {error}") from error
    return context
