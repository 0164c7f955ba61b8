"""Everything that the gateway does for bots, in one value."""

from dataclasses import dataclass

from swarming_botgateway.bot_code.served import BotCode
from swarming_botgateway.usecases.connect import Connect
from swarming_botgateway.usecases.join import Join
from swarming_botgateway.usecases.next_run import NextRun
from swarming_botgateway.usecases.poll import Poll
from swarming_botgateway.usecases.record_event import RecordEvent
from swarming_botgateway.usecases.refuse_inputs import RefuseInputs
from swarming_botgateway.usecases.report import ReportRun
from swarming_botgateway.usecases.tell_account import TellAccount
from swarming_common.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Usecases:
    """What handlers may call, the code that bots should run, and the clock that they read at the door."""

    clock: Clock
    code: BotCode
    connect: Connect
    join: Join
    next_run: NextRun
    poll: Poll
    record_event: RecordEvent
    refuse_inputs: RefuseInputs
    report: ReportRun
    tell_account: TellAccount
