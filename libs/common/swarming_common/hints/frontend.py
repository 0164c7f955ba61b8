"""What a frontend reads."""

from swarming_common.hints.wire import Hint


class CommandDone(Hint):
    """The owner acted on a command of this frontend; `ok` is what to tell the caller."""

    command_id: str
    ok: bool
    was_running: bool = False
