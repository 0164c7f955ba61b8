import re
from datetime import timedelta

import pytest

from swarming_common.model.states import TaskState
from swarming_frontend.pages.rendering import span
from tests.unit.frontend.builders import NOW, a_bot, a_new_task, a_result, a_running_task, some_output

EVIL = '<script>alert("x")</script>'


async def page(frontend, path: str, status: int = 200) -> str:
    reply = await frontend.client.get(path, headers={"accept": "text/html"})
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return reply.text


async def submit(frontend, **fields) -> str:
    return (await frontend.post("tasks/new", a_new_task(**fields))).json()["task_id"]


async def test_an_empty_installation_says_how_to_begin(frontend):
    text = await page(frontend, "/")

    assert "No tasks yet" in text
    assert "No bot has called yet" in text


async def test_the_first_page_lists_tasks_and_bots(frontend):
    task_id = await submit(frontend, name="build")
    await a_running_task(frontend.database, task_id)
    await a_bot(frontend.database)

    text = await page(frontend, "/")

    assert f'href="/user/task/{task_id}"' in text
    assert 'href="/restricted/bot/bot1"' in text
    assert "RUNNING" in text


async def test_older_tasks_are_a_link_away(frontend):
    submitted = sorted([await submit(frontend) for _ in range(51)])

    first = await page(frontend, "/")
    older = re.search(r'href="(/\?cursor=[^"]+)"', first)
    assert older
    second = await page(frontend, older[1])

    assert submitted[0] not in first
    assert submitted[0] in second
    assert "older →" not in second


async def test_what_users_and_bots_wrote_is_escaped(frontend):
    task_id = await submit(frontend, name=EVIL, properties={"command": [EVIL]}, tags=[f"a:{EVIL}"], user=EVIL)
    await a_running_task(frontend.database, task_id, bot_id="b<i>")
    await some_output(frontend.database, task_id, EVIL.encode())
    await a_bot(frontend.database, "b<i>", quarantined=EVIL, state={"k": EVIL}, dimensions={"id": [EVIL]})

    for path in ("/", f"/user/task/{task_id}", "/restricted/bot/b%3Ci%3E"):
        text = await page(frontend, path)
        assert EVIL not in text
        assert "b<i>" not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize("path", ["/", "/user/task/{}"])
async def test_pages_hold_no_inline_script_and_name_no_other_host(frontend, path):
    text = await page(frontend, path.format(await submit(frontend)))

    assert all('src="/static/' in one for one in re.findall(r"<script[^>]*>", text))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    assert not re.search(r"\son\w+=", text)
    assert "style=" not in text


async def test_a_running_task_shows_its_output_and_where_to_go_on(frontend):
    task_id = await submit(frontend)
    await a_running_task(frontend.database, task_id)
    await some_output(frontend.database, task_id, "hällo\n".encode())

    text = await page(frontend, f"/user/task/{task_id}")

    assert "hällo" in text
    assert 'data-offset="7"' in text
    assert "It runs on bot1." in text
    assert "/static/follow.js" in text
    assert "<noscript>" in text


async def test_a_finished_task_is_not_followed(frontend):
    task_id = await submit(frontend)
    await a_result(
        frontend.database,
        task_id,
        state=TaskState.COMPLETED,
        run_number=1,
        bot_id="bot1",
        exit_code=3,
        failure=True,
        duration=1.5,
        started_ts=NOW,
        completed_ts=NOW + timedelta(seconds=2),
    )

    text = await page(frontend, f"/user/task/{task_id}")

    assert "It ran on bot1 and ended with exit code 3." in text
    assert "It printed nothing." in text
    assert "follow.js" not in text


async def test_a_page_and_an_explanation_say_why_a_task_ended_in_the_same_words(frontend):
    task_id = await submit(frontend)
    reason = "not heard of for 300 s"
    await a_result(frontend.database, task_id, state=TaskState.BOT_DIED, bot_id="bot1", reason=reason)

    text = await page(frontend, f"/user/task/{task_id}")
    why = (await frontend.get(f"task/{task_id}/why")).json()["summary"]

    assert "Its bot bot1 was lost or failed (not heard of for 300 s)." in text
    assert why.startswith("It is not pending: its bot bot1 was lost or failed (not heard of for 300 s)")


@pytest.mark.parametrize("state", list(TaskState))
async def test_every_state_has_a_page(frontend, state):
    task_id = await submit(frontend)
    await a_result(frontend.database, task_id, state=state, bot_id="bot1")

    assert state.name in await page(frontend, f"/user/task/{task_id}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/user/task/7c2236638dbfed10", 404),
        ("/user/task/x", 400),
        ("/restricted/bot/nobody", 404),
        ("/?cursor=x", 400),
        ("/static/nothing.js", 404),
    ],
)
async def test_an_error_is_a_page_for_people_and_json_for_programs(frontend, path, status):
    await page(frontend, path, status)

    reply = await frontend.client.get(path)
    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("name", ["style.css", "follow.js", "live.js", "icon.svg"])
async def test_what_pages_load_is_served(frontend, name):
    assert (await frontend.client.get(f"/static/{name}")).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "42 ms"),
        (-1, "0 ms"),
        (1.25, "1.2 s"),
        (30, "30 s"),
        (60, "1 min"),
        (75.3, "1 min 15 s"),
        (4000, "1 h 6 min"),
        (7200, "2 h"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_span_is_told_in_its_largest_units(seconds, text):
    assert span(seconds) == text


async def test_links_that_upstream_s_tools_print_lead_to_our_pages(frontend):
    task_id = await submit(frontend)
    await a_bot(frontend.database, "bot é/1")
    run_id = f"{task_id[:-1]}1"

    for link, expected in {
        f"/task?id={task_id}": f"/user/task/{task_id}",
        f"/task?id={run_id}&o=true&w=true": f"/user/task/{run_id}",
        "/bot?id=bot%20%C3%A9%2F1": "/restricted/bot/bot%20%C3%A9%2F1",
        "/tasklist?f=state:PENDING&l=50": "/",
        "/botlist?f=pool:default": "/",
    }.items():
        reply = await frontend.client.get(link)
        assert (reply.status_code, reply.headers["location"]) == (302, expected)

    followed = await frontend.client.get(f"/task?id={task_id}", follow_redirects=True)
    assert followed.status_code == 200
    assert task_id in followed.text


async def test_a_link_without_an_id_or_with_one_that_is_none_is_an_error_page(frontend):
    assert "id: expected" in await page(frontend, "/task", 400)
    reply = await frontend.client.get("/task?id=nonsense", headers={"accept": "text/html"}, follow_redirects=True)
    assert reply.status_code in (400, 404)
    assert reply.headers["content-type"].startswith("text/html")
