from datetime import timedelta

from swarming_common.model.task_id import new_task_id
from swarming_frontend.api.messages import NewTaskRequest
from swarming_frontend.api.new_task import translate
from swarming_frontend.identity import ANONYMOUS
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.store.requests import (
    IdTaken,
    NewRequest,
    Repeated,
    Written,
    stored_request,
    write_requests,
)
from tests.unit.frontend.builders import NOW, a_new_task

REQUEST = translate(NewTaskRequest.model_validate(a_new_task()), ANONYMOUS, FrontendSettings().limits).request


def an_item(random: int = 1, *, nonce: int = 1, uuid: str | None = None, caller: str = "me") -> NewRequest:
    return NewRequest(
        task_id=new_task_id(NOW, random),
        nonce=nonce,
        shard=0,
        created_ts=NOW + timedelta(microseconds=1),
        request=REQUEST,
        parent_task_id=None,
        secret_bytes=None,
        caller=caller,
        request_uuid=uuid,
    )


async def written(frontend, *items):
    return await frontend.database.write(lambda c: write_requests(c, items))


async def test_an_item_that_is_written_again_is_written(frontend):
    item = an_item(uuid="u")
    await written(frontend, item)

    assert await written(frontend, item) == [Written()]


async def test_an_id_of_another_is_taken(frontend):
    await written(frontend, an_item(nonce=1))

    assert await written(frontend, an_item(nonce=2, uuid="u")) == [IdTaken()]
    assert await written(frontend, an_item(random=2, uuid="u")) == [Written()]


async def test_within_a_batch_the_first_of_a_uuid_wins(frontend):
    first, second, other = (
        an_item(1, uuid="u"),
        an_item(2, uuid="u"),
        an_item(3, uuid="u", caller="somebody else"),
    )

    outcomes = await written(frontend, first, second, other)

    assert outcomes == [Written(), Repeated(first.task_id), Written()]


async def test_a_uuid_is_each_callers_own(frontend):
    await written(frontend, an_item(1, uuid="u"))

    outcomes = await written(frontend, an_item(2, uuid="u"), an_item(3, uuid="u", caller="somebody else"))

    assert outcomes == [Repeated(an_item(1).task_id), Written()]


async def test_a_request_is_read_as_it_was_written(frontend):
    item = an_item()
    await written(frontend, item)

    stored = await frontend.database.read(lambda c: stored_request(c, item.task_id))

    assert stored is not None
    assert (stored.request, stored.created_ts, stored.shard) == (REQUEST, item.created_ts, 0)
