"""A caller that hangs up before all of its body has come."""

import pytest
from structlog.testing import capture_logs

from tests.unit.frontend.conftest import API


@pytest.mark.parametrize("path", ["tasks/new", "bot/bot1/quarantine", "server/bot_archive"])
async def test_a_caller_that_hangs_up_is_no_mistake_of_ours(frontend, path):
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{API}/{path}",
        "raw_path": f"{API}/{path}".encode(),
        "query_string": b"",
        "headers": [(b"content-length", b"100")],
        "server": ("test", 80),
    }
    arriving = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return arriving.pop(0)

    async def send(message):
        sent.append(message)

    with capture_logs() as logs:
        await frontend.app(scope, receive, send)

    assert sent[0]["status"] == 400
    assert [(one["event"], one["log_level"]) for one in logs] == [("client_left", "info")]
