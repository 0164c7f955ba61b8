"""The pages: `/` lists tasks and bots, `/user/task/{id}` and `/restricted/bot/{id}` show one."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import pydantic_core
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from swarming_common.model.states import TaskState
from swarming_frontend.api.cursors import decode_cursor, encode_cursor
from swarming_frontend.api.errors import error_response
from swarming_frontend.api.given import Use
from swarming_frontend.api.queries import TASK_PLACE, BotIdText, TaskIdText, Text, task_and_run
from swarming_frontend.explanation.state_words import in_words
from swarming_frontend.pages.rendering import HEADERS, page
from swarming_frontend.standing import Standing
from swarming_frontend.store.task_lists import TaskFilter
from swarming_frontend.usecases.list_bots import WhichBots
from swarming_frontend.usecases.read_output import ReadOutput
from swarming_frontend.usecases.why import AskWhy

TASKS_ON_A_PAGE = 50
BOTS_ON_A_PAGE = 200
SHOWN_OUTPUT_BYTES = 256 * 1024
"""What is in the page itself; the script goes on from there."""

WHY_WORD_SECONDS = 0.3
"""A page waits less for the scheduler's word than somebody who asks for nothing else."""

_API_PREFIXES = ("/api/", "/_ah/")

router = APIRouter(include_in_schema=False)
static_files = StaticFiles(directory=Path(__file__).parent / "static")


@router.get("/")
async def index(use: Use, cursor: Annotated[Text | None, Query()] = None) -> Response:
    """The newest tasks, or those before a cursor, and the bots."""
    now = use.clock.now()
    after = decode_cursor(TASK_PLACE, cursor)
    tasks, place = await use.list_tasks.page(TaskFilter(), after, TASKS_ON_A_PAGE)
    bots, more_bots = await use.list_bots.page(WhichBots(), None, BOTS_ON_A_PAGE, now)
    return page(
        "index.html",
        trouble=await use.health.trouble(),
        now=now,
        tasks=tasks,
        older=encode_cursor(TASK_PLACE, place),
        is_newest=after is None,
        bots=[(bot, use.list_bots.is_dead(bot, now)) for bot in bots],
        counts=await use.list_bots.count(WhichBots(), now),
        has_more_bots=more_bots is not None,
    )


@router.get("/user/task/{task_id}")
async def task(task_id: TaskIdText, use: Use) -> Response:
    """A task or a run: how it stands, what was asked for, and its output."""
    which, run_number = task_and_run(task_id)
    stored = await use.read_task.request(which)
    output = await use.read_output(
        ReadOutput(
            task_id=which,
            run_number=run_number,
            offset=0,
            length=SHOWN_OUTPUT_BYTES,
            whole_characters=True,
        )
    )
    standing = await use.read_task.standing(which, run_number)
    now, why = use.clock.now(), None
    if standing.state is TaskState.PENDING and not standing.is_run:
        why = (await use.why(AskWhy(task_id=which, word_seconds=WHY_WORD_SECONDS), now)).summary
    current = min(standing.current_slice, len(stored.request.task_slices) - 1)
    return page(
        "task.html",
        trouble=await use.health.trouble(),
        now=now,
        why=why,
        id=task_id,
        task=standing,
        request=stored.request,
        properties=stored.request.task_slices[current].properties,
        command=shlex.join(stored.request.task_slices[current].properties.command),
        sentence=sentence_about(standing),
        output=output.content.decode(errors="replace"),
        next_offset=output.next_offset,
        run_id=str(output.run_id or ""),
        is_final=output.state.is_final,
        # the output was read first: it is all there only if the state was final even then
        is_whole=output.state.is_final and len(output.content) < SHOWN_OUTPUT_BYTES - 3,
    )


@router.get("/restricted/bot/{bot_id}")
async def bot(bot_id: BotIdText, use: Use) -> Response:
    """A bot: how it stands and what it says of itself."""
    now = use.clock.now()
    found = await use.list_bots.one(bot_id, now)
    state = pydantic_core.to_json(found.state, indent=2).decode()
    trouble, is_dead = await use.health.trouble(), use.list_bots.is_dead(found, now)
    return page("bot.html", trouble=trouble, now=now, bot=found, is_dead=is_dead, state=state)


@router.get("/task")
async def task_link(id: Annotated[Text, Query()]) -> Response:
    """A link to a task as upstream's tools print it."""
    return RedirectResponse(f"/user/task/{quote(id, safe='')}", 302, HEADERS)


@router.get("/bot")
async def bot_link(id: Annotated[Text, Query()]) -> Response:
    """The same to a bot."""
    return RedirectResponse(f"/restricted/bot/{quote(id, safe='')}", 302, HEADERS)


@router.get("/tasklist")
@router.get("/botlist")
async def list_link() -> Response:
    """The same to the lists. Their filters come with the list pages."""
    return RedirectResponse("/", 302, HEADERS)


def answer_error(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a page for people who look at pages, in the API's dialect for everybody else."""
    is_for_people = "text/html" in request.headers.get("accept", "")
    if request.url.path.startswith(_API_PREFIXES) or not is_for_people:
        return error_response(status, message, headers)
    return page("error.html", status, headers, message=message, code=status)


def sentence_about(task: Standing) -> str:
    """How the task stands, and why."""
    words = in_words(task)
    return f"{words[0].upper()}{words[1:]}."
