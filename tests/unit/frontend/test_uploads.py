"""Hooks, bootstrap script and archive: versions, checks, differences, reverts; and tokens."""

import pytest
from sqlalchemy import select

from swarming_common.bot_code.archive import CONFIG, HOOKS, MAIN, pack, unpack, version_of
from swarming_common.bot_code.defaults import default_bootstrap, default_bot_config
from swarming_common.bot_code.enrolment import digest_of
from swarming_common.database.tables import enrolment_token, upload
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BotFilesChanged
from swarming_common.hints.wire import Hint
from swarming_common.testing.contracts.waiting import Arrivals
from tests.unit.frontend.conftest import API

ARCHIVE = pack({MAIN: b"print('upstream')"})
SCRIPTS = pytest.mark.parametrize("kind", ["bot_config", "bootstrap"])


async def put(frontend, kind, content):
    answer = await frontend.post(f"server/{kind}", {"content": content})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def put_archive(frontend, content):
    return await frontend.client.post(f"{API}/server/bot_archive", content=content)


def message(answer):
    return answer.json()["error"]["message"]


@pytest.mark.parametrize(("kind", "default"), [("bot_config", default_bot_config), ("bootstrap", default_bootstrap)])
async def test_before_any_upload_what_comes_with_the_release_is_version_0(frontend, kind, default):
    answer = await frontend.get(f"server/get_{kind}")

    assert answer.json() == {"version": "0", "content": default()}


@SCRIPTS
async def test_an_upload_is_a_new_version_with_who_and_when(frontend, kind):
    first = await put(frontend, kind, "x = 1\n")
    second = await put(frontend, kind, "x = 2\n")

    assert (first["version"], second["version"]) == ("1", "2")
    current = (await frontend.get(f"server/get_{kind}")).json()
    assert current["content"] == "x = 2\n"
    assert current["version"] == "2"
    assert current["who"] == "anonymous:anonymous"
    assert current["when"] == second["when"]
    assert (await frontend.get(f"server/{kind}/versions/1")).json()["content"] == "x = 1\n"


async def test_the_gateways_are_told(frontend):
    heard: Arrivals[Hint] = Arrivals()
    mailbox = await frontend.bus.open_mailbox(heard)
    await mailbox.listen(addresses.ALL_GATEWAYS)

    await put(frontend, "bot_config", "x = 1\n")

    assert await heard.wait_for(1) == [BotFilesChanged()]
    await mailbox.close()


async def test_versions_are_listed_newest_first_a_page_at_a_time(frontend):
    for number in range(3):
        await put(frontend, "bot_config", f"x = {number}\n")

    first = (await frontend.get("server/bot_config/versions", limit=2)).json()
    rest = (await frontend.get("server/bot_config/versions", limit=2, cursor=first["cursor"])).json()

    assert [one["version"] for one in first["items"] + rest["items"]] == ["3", "2", "1"]
    assert "cursor" not in rest
    assert "content" not in first["items"][0]
    assert first["items"][0]["size"] == "6"


async def test_a_difference_is_a_unified_diff(frontend):
    await put(frontend, "bot_config", "a = 1\nb = 1\n")
    await put(frontend, "bot_config", "a = 1\nb = 2\n")

    diff = (await frontend.get("server/bot_config/diff", **{"from": 1})).json()

    assert (diff["from"], diff["to"]) == ("1", "2")
    assert diff["diff"].splitlines() == [
        "--- bot_config.py (version 1)",
        "+++ bot_config.py (version 2)",
        *("@@ -1,2 +1,2 @@", " a = 1", "-b = 1", "+b = 2"),
    ]
    assert (await frontend.get("server/bot_config/diff", **{"from": 2, "to": 2})).json()["diff"] == ""
    assert "+a = 1" in (await frontend.get("server/bot_config/diff", **{"from": 0, "to": 1})).json()["diff"]


async def test_a_revert_is_a_new_version_with_the_old_content(frontend):
    await put(frontend, "bot_config", "x = 1\n")
    await put(frontend, "bot_config", "x = 2\n")

    answer = (await frontend.post("server/bot_config/revert", {"version": 1})).json()

    assert (answer["version"], answer["reverted_to"]) == ("3", "1")
    current = (await frontend.get("server/bot_config")).json()
    assert (current["version"], current["content"]) == ("3", "x = 1\n")


@SCRIPTS
async def test_a_revert_to_version_0_is_what_comes_with_the_release_also_after_an_upgrade(frontend, kind):
    await put(frontend, kind, "x = 1\n")

    answer = (await frontend.post(f"server/{kind}/revert", {"version": 0})).json()

    assert "digest" not in answer
    current = (await frontend.get(f"server/{kind}")).json()
    assert current["version"] == "2"
    assert current["content"] == (default_bot_config() if kind == "bot_config" else default_bootstrap())


@SCRIPTS
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("def f(:\n", "content: expected Python; line 1: invalid syntax in 'def f(:'"),
        ("x = 1\n\n  y = 2\n", "content: expected Python; line 3: unexpected indent in 'y = 2'"),
        ("return 1\n", "content: expected Python; line 1: 'return' outside function"),
        ("x = " + "(" * 500, "content: expected Python"),
        ("  \n", "content: expected a Python script, not an empty text"),
        ("x = 1\0", "content: expected a text without NUL characters"),
    ],
)
async def test_what_is_no_python_that_every_bot_understands_is_refused_with_its_line(frontend, kind, content, expected):
    answer = await frontend.post(f"server/{kind}", {"content": content})

    assert answer.status_code == 400
    assert message(answer).startswith(expected)
    assert (await frontend.get(f"server/{kind}")).json()["version"] == "0"


async def test_a_bootstrap_script_has_lines_put_above_it(frontend):
    content = "from __future__ import annotations\n"

    answer = await frontend.post("server/bootstrap", {"content": content})

    assert answer.status_code == 400
    assert "expected no `from __future__ import`" in message(answer)
    await put(frontend, "bot_config", content)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "content: expected a value"),
        ({"content": 1}, "content: expected a text"),
        ({"content": "x", "comment": "y"}, "comment: expected no such field"),
    ],
)
async def test_a_wrong_body_is_refused_by_field(frontend, body, expected):
    answer = await frontend.post("server/bot_config", body)

    assert (answer.status_code, message(answer)[: len(expected)]) == (400, expected)


@pytest.mark.parametrize("kind", ["bot_config", "bootstrap", "bot_archive"])
async def test_an_unknown_version_is_not_found(frontend, kind):
    answer = await frontend.post(f"server/{kind}/revert", {"version": 7})

    assert (answer.status_code, message(answer)) == (404, f"there is no version 7 of {kind}")


@pytest.mark.parametrize("query", [{}, {"from": -1}, {"from": "x"}, {"from": 2**40}])
async def test_a_difference_needs_numbers(frontend, query):
    assert (await frontend.get("server/bot_config/diff", **query)).status_code == 400


async def test_an_archive_is_known_by_the_version_of_its_code(frontend):
    answer = await put_archive(frontend, ARCHIVE)

    assert answer.json()["digest"] == version_of(unpack(ARCHIVE))
    assert (await frontend.get("server/bot_archive")).json() == answer.json()
    assert (await frontend.get("server/details")).json()["bot_version"] == answer.json()["digest"]


async def test_an_archive_can_be_taken_away_and_brought_back(frontend):
    await put_archive(frontend, ARCHIVE)

    await frontend.client.delete(f"{API}/server/bot_archive")

    assert (await frontend.get("server/bot_archive")).status_code == 404
    assert "bot_version" not in (await frontend.get("server/details")).json()
    await frontend.post("server/bot_archive/revert", {"version": 1})
    assert (await frontend.get("server/bot_archive")).json()["version"] == "3"
    versions = (await frontend.get("server/bot_archive/versions")).json()["items"]
    assert [one.get("reverted_to") for one in versions] == ["1", "0", None]


async def newest_archive_row(frontend):
    query = select(upload).where(upload.c.kind == "bot_archive").order_by(upload.c.version.desc()).limit(1)
    return await frontend.database.read(lambda c: c.execute(query).one())


@pytest.mark.parametrize(("query", "kept"), [("", None), ("?replace_bots=true", True)])
async def test_whether_the_bots_of_a_removed_archive_are_replaced_is_kept(frontend, query, kept):
    await put_archive(frontend, ARCHIVE)

    answer = await frontend.client.delete(f"{API}/server/bot_archive{query}")

    assert answer.status_code == 200
    assert (await newest_archive_row(frontend)).replaces_bots is kept


async def test_bots_are_replaced_only_where_an_archive_is_taken_away(frontend):
    await put_archive(frontend, ARCHIVE)

    to_one = await frontend.post("server/bot_archive/revert", {"version": 1, "replace_bots": True})
    of_hooks = await frontend.post("server/bot_config/revert", {"version": 0, "replace_bots": True})

    assert [one.status_code for one in (to_one, of_hooks)] == [400, 400]
    assert message(to_one) == "replace_bots: expected only where an archive is taken away"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({MAIN: b"def f(:"}, "body: expected Python in __main__.py; line 1: invalid syntax"),
        ({MAIN: b"", HOOKS: b"return 1"}, "body: expected Python in config/bot_config.py; line 1: 'return' outside"),
        ({MAIN: b"", CONFIG: b"{"}, "body: expected JSON in config/config.json"),
        ({MAIN: b"", CONFIG: b"[]"}, "body: expected a JSON object in config/config.json"),
    ],
)
async def test_an_archive_that_no_bot_could_start_from_is_refused_by_its_entry(frontend, files, expected):
    answer = await put_archive(frontend, pack(files))

    assert (answer.status_code, message(answer)[: len(expected)]) == (400, expected)


@pytest.mark.parametrize("content", [b"", b"not a zip", ARCHIVE[:-20], ARCHIVE[:40]])
async def test_a_truncated_archive_is_refused(frontend, content):
    answer = await put_archive(frontend, content)

    assert answer.status_code == 400
    assert message(answer).startswith("body: expected a whole zip file")


async def test_an_archive_that_is_too_large_is_refused(frontend):
    answer = await frontend.client.post(
        f"{API}/server/bot_archive", content=b"", headers={"Content-Length": str(33 * 1024 * 1024)}
    )

    assert answer.status_code == 413


async def test_a_token_is_told_once_and_kept_as_a_hash(frontend):
    made = (await frontend.post("server/token", {})).json()

    rows = await frontend.database.read(lambda c: c.execute(select(enrolment_token)).all())
    assert [row.digest for row in rows] == [digest_of(made["bootstrap_token"])]
    assert (rows[0].expires_ts - rows[0].created_ts).total_seconds() == 3600
    assert made["command"] == (f'curl -sSL "http://localhost:8080/bootstrap?tok={made["bootstrap_token"]}" | python3 -')


async def test_details_name_the_release(frontend):
    assert (await frontend.get("server/details")).json()["server_version"]
