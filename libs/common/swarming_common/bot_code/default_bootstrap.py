"""Makes this machine a bot: fetches the bot's code, checks it, puts it into a folder of its own and starts it.

    curl -sSL "http://HOST/bootstrap" | python3 - [--folder FOLDER] [options of the bot]

The server puts two lines above this text, with its address and the token that this was fetched with. It takes Python
3.8 or newer, nothing else. The folder is ./swarming_bot if none is given; the bot's options are those that
`python3 swarming_bot.zip start_bot --help` names. With --fetch-only nothing is started.
"""

import hashlib
import http.client
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from typing import List, Optional, Tuple

HOST_URL = globals().get("host_url", "")
TOKEN = globals().get("bootstrap_token", "")
TIMEOUT_SECONDS = 60


def main(arguments: List[str]) -> None:
    if sys.version_info < (3, 8):  # noqa: UP036 - it runs wherever somebody pastes it
        sys.exit("A Swarming bot needs Python 3.8 or newer, and this is " + sys.version.split()[0])
    folder, options = _folder(arguments)
    os.makedirs(folder, exist_ok=True)
    archive = os.path.join(folder, "swarming_bot.zip")
    print("swarming_bot " + _fetch(archive)[:12] + " is in " + folder, file=sys.stderr)
    if "--fetch-only" in options:
        return
    os.chdir(folder)
    os.execv(sys.executable, [sys.executable, archive, "start_bot", *options])


def _folder(arguments: List[str]) -> Tuple[str, List[str]]:
    folder = os.environ.get("SWARMING_BOT_FOLDER") or "swarming_bot"
    if arguments[:1] == ["--folder"] and len(arguments) > 1:
        folder, arguments = arguments[1], arguments[2:]
    return os.path.abspath(os.path.expanduser(folder)), arguments


def _fetch(archive: str) -> str:
    """Download to a file beside it, and put it in its place only when it is whole; return its version."""
    url = HOST_URL + "/bot_code" + ("?tok=" + urllib.parse.quote(TOKEN) if TOKEN else "")
    try:
        # http_proxy, https_proxy, no_proxy and SSL_CERT_FILE are obeyed by urllib itself.
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS, context=_tls_context()) as answer:
            expected, content = answer.headers.get("X-Swarming-Bot-Version"), answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.exit("Cannot fetch the bot from " + HOST_URL + ": " + _reason(error))
    fresh = archive + ".fetched"
    try:
        with open(fresh, "wb") as file:
            file.write(content)
    except OSError as error:
        sys.exit("Cannot write " + fresh + ": " + str(error))
    try:
        version = _version(fresh)
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        sys.exit("What " + HOST_URL + " sent is not a bot: " + str(error))
    if expected and version != expected:
        sys.exit("What " + HOST_URL + " sent was damaged on its way; try again")
    os.replace(fresh, archive)
    return version


def _tls_context() -> Optional[ssl.SSLContext]:
    """With the certificates that the bot uses, too."""
    if not HOST_URL.startswith("https:"):
        return None
    context = ssl.create_default_context()
    if os.environ.get("SWARMING_CA_FILE"):
        context.load_verify_locations(os.environ["SWARMING_CA_FILE"])
    if os.environ.get("SWARMING_CLIENT_CERT"):
        context.load_cert_chain(os.environ["SWARMING_CLIENT_CERT"], os.environ.get("SWARMING_CLIENT_KEY") or None)
    return context


def _version(path: str) -> str:
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            for part in (name.encode(), archive.read(name)):
                digest.update(str(len(part)).encode())
                digest.update(part)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return str(error.code) + " " + error.read(500).decode("utf-8", "replace")
    return str(error)


if __name__ == "__main__":
    main(sys.argv[1:])
